/** getent(1) of glibc: what the C library itself finds, /etc/hosts included. */

import { serviceName, servicePort } from '../../netfilter/services.ts'
import { formatIpv4, tryParseIpv4 } from '../../wire/address.ts'
import { hostsOf } from '../dns-config.ts'
import type { Process, Program } from '../process.ts'
import { resolve, reverse } from '../resolver.ts'

/** The key was not found. */
const NOT_FOUND = 2
const DATABASES = ['ahosts', 'ahostsv4', 'hosts']
/** What glibc knows besides. */
const OTHERS =
  'ahostsv6 aliases ethers group gshadow initgroups netgroup networks passwd protocols rpc services shadow'.split(' ')

/** A name or a port, with or without its protocol; TCP first. */
function services(self: Process, keys: readonly string[]): number {
  let code = 0
  for (const key of keys) {
    const [text, asked] = key.split('/')
    const port = /^[0-9]+$/.test(text) ? Number(text) : servicePort(text)
    const protocols = (['tcp', 'udp'] as const).filter((each) => asked === undefined || asked === each)
    const found = protocols.find((each) => port !== null && serviceName(port, each) !== String(port))
    if (port === null || found === undefined) code = NOT_FOUND
    else self.out(`${serviceName(port, found).padEnd(21)} ${port}/${found}\n`)
  }
  return code
}

function line(address: string, rest: string): string {
  return `${address.padEnd(15)} ${rest}\n`
}

export const getent: Program = async (self) => {
  const [database, ...keys] = self.args.slice(1)
  if (database === undefined) {
    self.err("getent: wrong number of arguments\nTry `getent --help' or `getent --usage' for more information.\n")
    return 1
  }
  if (database === 'services' && keys.length > 0) return services(self, keys)
  if (!DATABASES.includes(database)) {
    if (OTHERS.includes(database)) self.err(`podwire: getent ${database} is not modelled\n`)
    else self.err(`Unknown database: ${database}\nTry \`getent --help' or \`getent --usage' for more information.\n`)
    return OTHERS.includes(database) ? 2 : 1
  }
  if (keys.length === 0) {
    for (const entry of hostsOf(self)) self.out(line(entry.text, entry.names.join(' ')))
    return 0
  }
  let code = 0
  for (const key of keys) {
    const found = database === 'hosts' ? await byName(self, key) : await byAddressInfo(self, key)
    if (!found) code = NOT_FOUND
  }
  return code
}

/** gethostbyname2 for IPv6, then for IPv4: the AAAA questions go out first, along the whole search list. */
async function byName(self: Process, key: string): Promise<boolean> {
  const literal = tryParseIpv4(key)
  if (literal !== null) {
    const name = await reverse(self, literal)
    if (name !== null) self.out(line(key, name))
    return name !== null
  }
  await resolve(self, key, { family: 6 })
  const found = await resolve(self, key, { family: 4 })
  if ('error' in found) return false
  for (const address of found.addresses) self.out(line(formatIpv4(address), found.canonical))
  return true
}

/** AI_ADDRCONFIG: a host without IPv6 asks for IPv4 addresses only, also when ahosts says nothing of the family. */
async function byAddressInfo(self: Process, key: string): Promise<boolean> {
  const found = await resolve(self, key, { family: 4 })
  if ('error' in found) return false
  found.addresses.forEach((address, i) => {
    const text = formatIpv4(address)
    self.out(line(text, `STREAM ${i === 0 ? found.canonical : ''}`) + line(text, 'DGRAM  ') + line(text, 'RAW    '))
  })
  return true
}
