// The certificate that Debian's package ssl-cert makes for itself when a root is built. Whoever asks for TLS must accept any.

/** Paths inside a root that has the package. */
export const CERTIFICATE = '/etc/ssl/certs/ssl-cert-snakeoil.pem'
export const CERTIFICATE_KEY = '/etc/ssl/private/ssl-cert-snakeoil.key'
