// Certificate authorities of a test's own, made by openssl(1) when they are needed: receivers and senders that know each other, and some that do not.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun } from './run.ts'

/** PEM files of a certificate and its key. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** What a certificate says. */
interface CertificateOptions {
  /** Common name, which is also put into the subjectAltName. */
  readonly name: string
  /** More of the subjectAltName, as openssl writes it: `IP:192.0.2.25`. */
  readonly alsoFor?: readonly string[]
  readonly usage: 'serverAuth' | 'clientAuth'
  /** True: its time is over. */
  readonly expired?: boolean
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** An authority that issues certificates for two days. Its own certificate and key lie in `directory`. */
export class TestAuthority implements CertificateFiles {
  readonly certificate: string
  readonly key: string
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
    this.certificate = join(directory, 'ca.pem')
    this.key = join(directory, 'ca.key')
  }

  static async make(directory: string, name = 'popauthd test authority'): Promise<TestAuthority> {
    mkdirSync(directory, { recursive: true })
    const authority = new TestAuthority(directory)
    const files = ['-keyout', authority.key, '-out', authority.certificate]
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    await mustRun('openssl', ['req', '-x509', ...KEY, ...files, '-days', '2', '-subj', `/CN=${name}`, ...usage])
    return authority
  }

  /** A certificate of this authority and its key, as `NAME.pem` and `NAME.key`. */
  async issue({ name, alsoFor = [], usage, expired = false }: CertificateOptions): Promise<CertificateFiles> {
    const file = join(this.#directory, `${name}-${usage}${expired ? '-expired' : ''}`)
    const files = { certificate: `${file}.pem`, key: `${file}.key` }
    const dates = expired ? ['-days', '-1'] : ['-days', '2']
    const extensions = [
      ...['-addext', `subjectAltName=${[`DNS:${name}`, ...alsoFor].join(',')}`],
      ...['-addext', `extendedKeyUsage=${usage}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
    ]
    const signed = ['-CA', this.certificate, '-CAkey', this.key, '-subj', `/CN=${name}`]
    const out = ['-keyout', files.key, '-out', files.certificate]
    if (!expired) await mustRun('openssl', ['req', '-x509', ...KEY, ...out, ...dates, ...signed, ...extensions])
    else await this.#issueExpired(file, files, signed)
    return files
  }

  /** `req` gives no dates in the past. */
  async #issueExpired(file: string, { certificate, key }: CertificateFiles, signed: readonly string[]): Promise<void> {
    const [subject = '', value = ''] = signed.slice(-2)
    await mustRun('openssl', ['req', ...KEY, '-keyout', key, '-out', `${file}.csr`, subject, value])
    const authority = ['-CA', this.certificate, '-CAkey', this.key, '-CAcreateserial']
    await mustRun('openssl', ['x509', '-req', '-in', `${file}.csr`, ...authority, '-days', '-1', '-out', certificate])
  }
}
