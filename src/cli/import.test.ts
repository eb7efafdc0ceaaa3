import { expect, it } from 'vitest'
import { readLogins } from '../admin/api-requests.ts'
import { maxBodyBytes, maxLoginsPerRequest } from '../admin/api-types.ts'
import { parseInfo } from '../publishers/sendmail-access/format.ts'
import { loginsOf } from './import.ts'

const UNIX = 1_711_477_772
const line = (user: string, ip = '198.51.100.7', time = UNIX) => `Mar 26 18:29:32\t${user}\t${ip}\t${time}\n`
const import_ = (text: string) => loginsOf(parseInfo(text).entries, 'UTC')

it('lets no name that an outsider put into access.info hold up the others', () => {
  const hostile = ['\u001b[2J', 'a\u009b2J', 'a\u007f', 'x'.repeat(5000), 'a\u0085b']
  const logins = import_([...hostile, 'michelle'].map((user) => line(user)).join(''))
  expect(logins.map(({ user }) => user)).toEqual(['michelle'])
  const asked = logins.map(({ atMs, ...login }) => ({ ...login, at: new Date(atMs).toISOString() }))
  expect(readLogins({ logins: asked })).toEqual(logins)
})

it('makes no request that is too long, whatever the names are', () => {
  const user = '\u20ac'.repeat(256)
  const logins = import_(line(user).repeat(maxLoginsPerRequest))
  expect(logins).toHaveLength(maxLoginsPerRequest)
  const asked = logins.map(({ atMs, ...login }) => ({ ...login, at: new Date(atMs).toISOString() }))
  expect(Buffer.byteLength(JSON.stringify({ logins: asked }))).toBeLessThan(maxBodyBytes)
})

it('takes no address out of a name that shifts the fields, and no time out of the future', () => {
  expect(import_(line('eve\t203.0.113.9\t99999999999'))).toEqual([])
  expect(import_(line('eve', '203.0.113.9 '))).toEqual([])
  expect(import_(line('eve', '999.0.113.9'))).toEqual([])
  expect(import_(line('eve', '203.0.113.9', 99_999_999_999)).map(({ atMs }) => atMs)).toEqual([
    expect.toSatisfy((atMs: number) => Number.isSafeInteger(atMs) && !Number.isNaN(new Date(atMs).getTime())),
  ])
})
