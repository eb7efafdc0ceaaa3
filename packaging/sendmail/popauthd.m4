divert(-1)
dnl #
dnl # popauthd.m4: relaying for clients that popauthd knows, asked over its socket.
dnl #
dnl # Copy this file to the feature directory of sendmail's m4 files (Debian: /usr/share/sendmail/cf/feature,
dnl # FreeBSD port: /usr/local/share/sendmail/cf/feature), and put one line into sendmail.mc, above the MAILER lines:
dnl #
dnl #	FEATURE(`popauthd', `local:/run/popauthd/sendmail.sock')dnl
dnl #
dnl # then make sendmail.cf anew and restart sendmail. Without a second argument the socket is the one above.
dnl # A third argument replaces the map's flags, `-o -d5': an absent popauthd is no error, and an answer is
dnl # waited for 5 seconds at most.
dnl #
dnl # sendmail must have been built with SOCKETMAP: `sendmail -d0.1 -bv root' lists it.
dnl #
dnl # One question is asked for each recipient that is not for the local mailer: the client's address, tagged
dnl # `connect:'. Local mail never waits for popauthd. RELAY permits relaying; anything else (not known,
dnl # no popauthd, a timeout) leaves the decision to the ordinary rules.
dnl # A configuration that already has a Local_Relay_Auth ruleset needs both merged by hand.
dnl #
divert(0)dnl
VERSIONID(`popauthd.m4 2')
divert(-1)

define(`_POPAUTHD_SOCKET_', ifelse(len(X`'_ARG_), `1', `local:/run/popauthd/sendmail.sock', `_ARG_'))
define(`_POPAUTHD_FLAGS_', ifelse(len(X`'_ARG2_), `1', `-o -d5', `_ARG2_'))

LOCAL_CONFIG
# Clients that have just logged in by POP3 or IMAP (popauthd)
Kpopauth socket _POPAUTHD_FLAGS_ -T<TMPF> _POPAUTHD_SOCKET_

LOCAL_RULESETS
######################################################################
###  Local_Relay_Auth: ask popauthd whether this client may relay
######################################################################
SLocal_Relay_Auth
R$*			$: $&{rcpt_mailer}
Rlocal			$@ CONTINUE
R$*			$: $(popauth connect: $&{client_addr} $: NOTFOUND $)
RRELAY			$# RELAY
R$*			$@ CONTINUE
divert(-1)
