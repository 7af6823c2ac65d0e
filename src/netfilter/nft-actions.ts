/** Statements that do something: counting, logging, refusing, translating, writing into sets. */
import type { RejectWith } from './host.ts'
import { LogFlag } from './log-line.ts'
import { type Expression, type NatPart, type Statement, typesOf } from './nft-ast.ts'
import { NftExpressions } from './nft-expressions.ts'
import type { NftSet } from './nft-set.ts'
import { NftQuota } from './nft-state.ts'
import { ICMP_CODES } from './nft-symbols.ts'
import { IPV4, PORT } from './nft-type.ts'

const MILLISECOND = 1e6

const LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug']

const REJECTS: Readonly<Record<string, RejectWith>> = {
  'net-unreachable': 'icmp-net-unreachable',
  'host-unreachable': 'icmp-host-unreachable',
  'prot-unreachable': 'icmp-proto-unreachable',
  'port-unreachable': 'icmp-port-unreachable',
  'net-prohibited': 'icmp-net-prohibited',
  'host-prohibited': 'icmp-host-prohibited',
  'admin-prohibited': 'icmp-admin-prohibited',
}

/** By nf_tables' own codes: no-route, port-unreachable, host-unreachable, admin-prohibited. */
const ABSTRACT: Readonly<Record<string, RejectWith>> = {
  'no-route': 'icmp-net-unreachable',
  'port-unreachable': 'icmp-port-unreachable',
  'host-unreachable': 'icmp-host-unreachable',
  'admin-prohibited': 'icmp-admin-prohibited',
}

export class NftActions extends NftExpressions {
  protected readCounter(): Statement {
    if (this.is('name', 1)) return this.readObject('counter')
    return { k: 'counter', state: this.counter() }
  }

  protected readObject(kind: 'counter' | 'quota' | 'limit'): Statement {
    this.next()
    this.next()
    const token = this.peek()
    if (token.kind !== 'quoted' && (token.kind !== 'word' || this.expressive)) {
      throw this.notModelled(`nft: a map of ${kind}s`)
    }
    this.next()
    const object = this.table?.objects.get(`${kind} ${token.text}`)
    if (object === undefined) {
      throw this.fail('Could not process rule: No such file or directory', token.start, token.end)
    }
    return { k: 'object', object }
  }

  protected readQuota(): Statement {
    if (this.is('name', 1)) return this.readObject('quota')
    this.next()
    return { k: 'quota', state: this.quota() }
  }

  protected quota(): NftQuota {
    const over = this.take('over')
    if (!over) this.take('until')
    const bytes = this.byteCount()
    const used = this.take('used') ? this.byteCount() : 0
    return new NftQuota(bytes, over, used)
  }

  protected readLog(): Statement {
    this.next()
    let prefix = ''
    let level = 4
    let flags = 0
    let group = -1
    let snaplen = 0
    let threshold = 0
    for (;;) {
      if (this.take('prefix')) prefix = this.quoted()
      else if (this.take('level')) {
        const word = this.name()
        level = LEVELS.indexOf(word.text)
        if (level < 0) throw this.fail('invalid log level', word.start, word.end)
      } else if (this.take('group')) group = this.number()
      else if (this.take('snaplen')) snaplen = this.number()
      else if (this.take('queue-threshold')) threshold = this.number()
      else if (this.take('flags')) flags |= this.#logFlags()
      else return { k: 'log', prefix, level, flags, group, snaplen, threshold }
    }
  }

  #logFlags(): number {
    if (this.take('all')) return 47
    if (this.take('skuid')) return LogFlag.UID
    if (this.take('ether')) return LogFlag.MAC_DECODE
    if (this.take('ip')) {
      this.expect('options')
      return LogFlag.IP_OPTIONS
    }
    this.expect('tcp')
    let flags = 0
    do {
      const word = this.takeOneOf(['sequence', 'options'])
      if (word === null) throw this.unexpected()
      flags |= word === 'sequence' ? LogFlag.TCP_SEQUENCE : LogFlag.TCP_OPTIONS
    } while (this.take(','))
    return flags
  }

  protected readReject(): Statement {
    const from = this.next()
    if (!this.take('with')) return { k: 'reject', how: 'icmp-port-unreachable', text: '' }
    if (this.take('tcp')) {
      this.expect('reset')
      if (this.transport !== null && this.transport !== 'tcp') {
        const sentence = `conflicting protocols specified: ${this.transport} vs. tcp`
        throw this.fail(sentence, from.start, this.last.end)
      }
      return { k: 'reject', how: 'tcp-reset', text: 'tcp reset' }
    }
    const abstract = this.is('icmpx')
    if (!abstract && !this.is('icmp')) {
      if (this.is('icmpv6')) throw this.notModelled('nft reject with icmpv6')
      throw this.unexpected()
    }
    this.next()
    this.take('type')
    const code = this.next()
    if (abstract && this.table?.family !== 'inet') {
      const sentence = 'abstracted ICMP unreachable not supported'
      throw this.fail(sentence, code.start, code.end, [from.start, from.end])
    }
    const name = ICMP_CODES.find(([, number]) => String(number) === code.text)?.[0] ?? code.text
    const how = (abstract ? ABSTRACT : REJECTS)[name]
    if (how === undefined) throw this.fail('Could not parse icmp code', code.start, code.end)
    // What is sent anyway is not printed.
    const silent = name === 'port-unreachable' && (abstract || this.table?.family === 'ip')
    return { k: 'reject', how, text: silent ? '' : `${abstract ? 'icmpx' : 'icmp'} ${name}` }
  }

  protected readNat(kind: NatPart['kind']): Statement {
    const from = this.next()
    const aimed = kind === 'snat' || kind === 'dnat'
    let family = this.table?.family === 'inet' && aimed
    let address: Expression | null = null
    let port: Expression | null = null
    let named = false
    if (aimed && this.is('ip') && (this.is('to', 1) || this.is('addr', 1) || this.is('prefix', 1))) {
      this.next()
      named = true
      if (this.take('prefix')) throw this.notModelled('nft: NAT of whole prefixes')
      if (this.take('addr')) {
        this.expect('.')
        this.expect('port')
      }
    } else if (aimed && this.is('ip6')) throw this.notModelled('nft: NAT of IPv6')
    const to = this.take('to')
    const bare = kind === 'redirect' || kind === 'masquerade'
    if (aimed || to) {
      if (aimed && !this.is(':')) {
        const { start } = this.peek()
        address = this.#natAddress()
        if (address.k === 'map' && address.types.length > 1) {
          family = true
          this.#needsPort(from, start)
        }
      }
      if (this.is(':') || (bare && to)) {
        this.take(':')
        const { start } = this.peek()
        port = this.expressive ? this.#mapped(PORT) : this.constant(PORT)
        this.#needsPort(from, start)
      }
    }
    if (address !== null && family && this.table?.family === 'inet' && !named && !this.#networkKnown) {
      throw this.fail('ip or ip6 must be specified with address for inet tables.', from.start, from.end)
    }
    const flags = this.#natFlags()
    return { k: 'nat', nat: { kind, family: family && address !== null, address, port, ...flags } }
  }

  /** An earlier part of the rule looked into the IPv4 header. */
  get #networkKnown(): boolean {
    const { start } = this.last
    const begin = this.source.text.lastIndexOf('\n', start)
    return /\bip (saddr|daddr|protocol|ttl)\b/.test(this.source.text.slice(begin + 1, start))
  }

  #needsPort(from: { readonly start: number; readonly end: number }, start: number): void {
    if (this.ported) return
    const sentence = 'transport protocol mapping is only valid after transport protocol match'
    throw this.fail(sentence, start, this.last.end, [from.start, from.end])
  }

  #natAddress(): Expression {
    return this.expressive ? this.#mapped(IPV4) : this.constant(IPV4)
  }

  #mapped(type: typeof IPV4): Expression {
    const key = this.expression()
    this.expect('map')
    this.extraData = type === IPV4 ? PORT : null
    const value = this.mapOf(key, [type])
    this.extraData = null
    return value
  }

  #natFlags(): Pick<NatPart, 'random' | 'fullyRandom' | 'persistent'> {
    const flags = { random: false, fullyRandom: false, persistent: false }
    do {
      if (this.take('random')) flags.random = true
      else if (this.take('fully-random')) flags.fullyRandom = true
      else if (this.take('persistent')) flags.persistent = true
      else break
    } while (this.take(','))
    return flags
  }

  /** `update @seen { ip saddr timeout 1h counter }` */
  protected readDynset(): Statement {
    const operation = this.next().text as 'add' | 'update' | 'delete'
    const at = this.peek().start
    this.expect('@')
    const set = this.setNamed(at)
    this.expect('{')
    const from = this.peek().start
    const key = this.expression()
    this.#agrees(key, set, from)
    const more = this.#dynsetOptions()
    const data = this.take(':') ? this.#dynsetData(set) : null
    this.expect('}')
    return { k: 'dynset', operation, set, key, data, ...more }
  }

  #agrees(key: Expression, set: NftSet, from: number): void {
    const given = typesOf(key)
    if (given.length === set.key.length && given.every((type, i) => type.bits === set.key[i].bits)) return
    const text = (types: readonly { readonly described: string }[]) =>
      types.length === 1 ? types[0].described : `concatenation of (${types.map((type) => type.described).join(', ')})`
    const wanted = text(set.key.map((part) => part.type))
    throw this.fail(`datatype mismatch: expected ${wanted}, expression has type ${text(given)}`, from, this.last.end)
  }

  #dynsetOptions(): { timeout: number; counts: boolean; limit: ReturnType<NftActions['limit']> | null } {
    const options: ReturnType<NftActions['limit']>[] = []
    let timeout = 0
    let counts = false
    for (;;) {
      if (this.take('timeout')) timeout = Number(this.milliseconds()) * MILLISECOND
      else if (this.is('counter')) {
        this.counter()
        counts = true
      } else if (this.is('limit')) options.push(this.limit())
      else return { timeout, counts, limit: options[0] ?? null }
    }
  }

  #dynsetData(set: NftSet): Expression {
    if (set.data === null) throw this.unexpected()
    return this.expressive ? this.expression() : this.constant(set.data[0].type)
  }

  /** `set update ip saddr timeout 5s @seen` */
  protected readOldDynset(): Statement {
    this.next()
    const operation = this.takeOneOf(['add', 'update', 'delete'])
    if (operation === null) throw this.unexpected()
    const from = this.peek().start
    const key = this.expression()
    const more = this.#dynsetOptions()
    const at = this.peek().start
    this.expect('@')
    const set = this.setNamed(at)
    this.#agrees(key, set, from)
    return { k: 'dynset', operation, set, key, data: null, ...more }
  }
}
