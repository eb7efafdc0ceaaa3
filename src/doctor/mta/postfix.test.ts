import { expect, it } from 'vitest'
import type { ClientAddress } from '../../core/client-address.ts'
import { fakeTools } from '../../setup/fake-tools.ts'
import { fakeHost, told } from '../fake-host.ts'
import { examinePostfix } from './postfix.ts'

const MAP = '/var/lib/popauthd/postfix/authorized'
const SOCKET = '/srv/queue/popauthd/map.sock'
const PIPE = `check_client_access pipemap:{ regexp:{ { /^([0-9a-f.:]+)$$/ $$1 } }, lmdb:${MAP} }`
const ASK = 'check_client_access socketmap:unix:popauthd/map.sock:postfix'

async function recipe(relay: string, options: Record<string, unknown>, overrides = ''): Promise<string> {
  const tools = fakeTools({
    'postconf -x': `mail_version = 3.7.11\nqueue_directory = /srv/queue\nmail_owner = postfix\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = ${relay}\n`,
    'postconf -m': 'socketmap\n',
    'postconf -M': 'smtp inet n - y - - smtpd\n',
    'postconf -P': overrides,
  })
  const findings = await examinePostfix({ host: fakeHost('/nowhere', options), tools, subjects: [] })
  return told(findings.filter(({ check }) => ['recipe', 'port', 'table'].includes(check)))
}

const live = { lookups: [{ protocol: 'socketmap', socket: SOCKET }] }
const file = { maps: [{ format: 'postfix', path: MAP }] }

it.each<[string, string, Record<string, unknown>, RegExp]>([
  ['asks', `permit_auth_destination, ${ASK}, reject_unauth_destination`, live, /^ok: asks popauthd about relaying/],
  [
    'asks too early',
    `${ASK}, permit_auth_destination, reject_unauth_destination`,
    live,
    /^warning: asks popauthd in front of/,
  ],
  ['asks too late', `reject_unauth_destination, ${ASK}`, live, /^problem: .*never reached/],
  [
    'asks elsewhere',
    `permit_auth_destination, ${ASK}, reject_unauth_destination`,
    {},
    /^problem: asks at \/srv\/queue\/popauthd\/map\.sock, and .*no lookups/,
  ],
  ['asks nobody', 'permit_mynetworks, reject_unauth_destination', live, /^problem: does not ask popauthd/],
  [
    'reads the map',
    `permit_auth_destination, ${PIPE}, reject_unauth_destination`,
    file,
    /^ok: reads the table that popauthd keeps/,
  ],
  ['reads the map too late', `reject_unauth_destination, ${PIPE}`, file, /^problem: .*never reached/],
  [
    'reads another map',
    `${PIPE.replace(MAP, `${MAP}2`)}, reject_unauth_destination`,
    file,
    /^problem: does not ask popauthd/,
  ],
  [
    'reads the map without a pattern',
    `permit_auth_destination, check_client_access lmdb:${MAP}, reject_unauth_destination`,
    file,
    /^ok: reads the table.*\nwarning: reads lmdb:\S+ without a pattern in front/,
  ],
  [
    'reads the map by a pipe without a pattern',
    `permit_auth_destination, check_client_access pipemap:{ inline:{ a=b }, lmdb:${MAP} }, reject_unauth_destination`,
    file,
    /^ok: .*\nwarning: .*without a pattern/,
  ],
  [
    'reads the map by proxymap',
    `permit_auth_destination, check_client_access proxy:lmdb:${MAP}, reject_unauth_destination`,
    file,
    /^ok: .*\nwarning: .*without a pattern/,
  ],
  [
    'reads the map behind a pattern in a file',
    `permit_auth_destination, ${PIPE.replace(/regexp:\{.*\} \}/, 'regexp:/etc/postfix/whole')}, reject_unauth_destination`,
    file,
    /^ok: reads the table that popauthd keeps: lmdb:\S+$/,
  ],
  [
    'reads a map of another type',
    `permit_auth_destination, ${PIPE}, reject_unauth_destination`,
    { maps: [{ format: 'postfix', path: MAP, map_type: 'cdb' }] },
    /\nproblem: reads lmdb:\S+, and popauthd keeps cdb:/,
  ],
  ['permits all', `permit, ${ASK}, reject_unauth_destination`, live, /^problem: .*OPEN RELAY/],
])('%s', async (_, relay, options, expected) => expect(await recipe(relay, options)).toMatch(expected))

it('ports with restrictions of their own', async () => {
  const relay = `permit_auth_destination, ${ASK}, reject_unauth_destination`
  const own = (service: string, value: string) =>
    recipe(relay, { ...live, ...file }, `${service}/smtpd_relay_restrictions = ${value}\n`)
  expect(await own('submission/inet', 'permit_sasl_authenticated,reject')).toMatch(/ok: .*a login does not help there/)
  expect(await own('smtp/inet', 'permit_mynetworks,reject')).toMatch(/problem: .*main\.cf does not count there/)
  expect(await own('2525/inet', ASK)).toMatch(/problem: .*does not end with a refusal: OPEN RELAY/)
  expect(await own('2525/inet', PIPE)).toMatch(/problem: .*does not end with a refusal: OPEN RELAY/)
  expect(await own('2525/inet', `check_client_access lmdb:${MAP}, reject`)).toMatch(
    /warning: .*without a pattern[\s\S]*ok: asks popauthd/,
  )
})

it('the table is asked by postmap', async () => {
  const restrictions = `permit_auth_destination, ${PIPE}, reject_unauth_destination`
  const tools = fakeTools({
    'postconf -x': `smtpd_relay_restrictions = ${restrictions}\n`,
    'postconf -m': 'lmdb\n',
    [`postmap -q 203.0.113.77 lmdb:${MAP}`]: { code: 1 },
    [`postmap -q 198.51.100.7 lmdb:${MAP}`]: 'OK\n',
    [`postmap -q 198.51.100.8 lmdb:${MAP}`]: { code: 1 },
    [`postmap -q 198.51.100.9 lmdb:${MAP}`]: { code: 1, stderr: 'postmap: fatal: open database: No such file\n' },
  })
  const subject = (address: string, authorized: boolean) => ({
    address: address as ClientAddress,
    authorized,
    isNamed: false,
  })
  const subjects = [
    subject('203.0.113.77', false),
    subject('198.51.100.7', true),
    subject('198.51.100.8', true),
    subject('198.51.100.9', true),
  ]
  const host = fakeHost('/nowhere', file, { daemonUid: 900 })
  const findings = await examinePostfix({ host, tools, subjects })
  expect(tools.ranAs).toEqual(subjects.map(({ address }) => `900:900 postmap -q ${address} lmdb:${MAP}`))
  expect(told(findings.filter(({ check }) => check === 'postmap -q')).split('\n')).toEqual([
    'ok: says nothing, as popauthd check does',
    'ok: says OK, as popauthd check does',
    'problem: says nothing, and popauthd check says that it may relay',
    expect.stringMatching(/^problem: lmdb:\S+ cannot be read: .*No such file/),
  ])
})
