/** The test door's protocol. What TCP does behind it is in test/socket/tcp/script. */
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HarnessEvent, TcpHarness } from '../../src/cli/harness/harness.ts'
import { tcpHarness } from '../../src/cli/tcp-harness.ts'

const INIT = { op: 'init', local_ip: '192.168.0.1', remote_ip: '192.0.2.1', prefix_len: 16, mtu: 1500 }

class Door {
  readonly harness = new TcpHarness()
  #id = 0

  ask(request: object): HarnessEvent[] {
    return this.harness.request(JSON.stringify({ id: ++this.#id, ...request }))
  }

  get last(): number {
    return this.#id
  }
}

function begun(): Door {
  const door = new Door()
  door.ask(INIT)
  return door
}

test('a connect that blocks: SYN now, its repetition stops the clock, the SYN-ACK makes it return', () => {
  const door = begun()
  expect(door.ask({ op: 'socket', nonblock: false })).toEqual([
    { ev: 'return', call: 2, t_us: 0, ret: 100 },
    { ev: 'done', id: 2, now_us: 0 },
  ])
  const [syn, done, ...more] = door.ask({ op: 'connect', fd: 100, ip: '192.0.2.1', port: 8080 })
  expect(syn).toMatchObject({ ev: 'tx', t_us: 0 })
  expect(String(syn.hex)).toMatch(/^4500003c....4000 ?4006/)
  expect([done, ...more]).toEqual([{ ev: 'done', id: 3, now_us: 0 }])
  const [again, stopped] = door.ask({ op: 'advance', us: 3_000_000 })
  // A kernel timer of a second runs out between 1.000 and 1.032 s (timer wheel, HZ 250).
  expect(again).toMatchObject({ ev: 'tx', t_us: 1_024_000 })
  expect(stopped).toEqual({ ev: 'done', id: 4, now_us: 1_024_000 })
  const answer = door.ask({ op: 'inject', hex: synAck(String(again.hex)) })
  expect(answer.map((event) => event.ev)).toEqual(['tx', 'return', 'done'])
  expect(answer[1]).toEqual({ ev: 'return', call: 3, t_us: 1_024_000, ret: 0 })
})

test('what is not known changes nothing and is said', () => {
  const door = begun()
  const refused = (request: object) => door.ask(request).at(-1)
  expect(refused({ op: 'fly' })).toMatchObject({ unsupported: true, msg: 'op "fly" is not modelled' })
  expect(refused({ op: 'sysctl', name: 'net.ipv4.tcp_wings', value: '1' })).toMatchObject({
    unsupported: true,
    msg: 'net.ipv4.tcp_wings is not modelled',
  })
  expect(refused({ op: 'sysctl', name: 'tcp_syn_retries', value: '0' })).toMatchObject({ unsupported: true })
  expect(refused({ op: 'sysctl', name: 'net.ipv4.tcp_syn_retries', value: '3' })).not.toHaveProperty('unsupported')
  door.ask({ op: 'socket', nonblock: true })
  expect(refused({ op: 'send', fd: 100, len: 1, flags: ['MSG_WINGS'] })).toMatchObject({ unsupported: true })
  expect(refused({ op: 'setsockopt', fd: 100, level: 'SOL_TCP', name: 'TCP_WINGS', value: 1 })).toMatchObject({
    unsupported: true,
    msg: 'SOL_TCP TCP_WINGS is not modelled',
  })
  expect(refused({ op: 'advance', us: 0 })).toMatchObject({ unsupported: true })
  expect(refused({ op: 'inject', hex: 'abc' })).toMatchObject({ unsupported: true })
})

test('before init, and after a line that is no request, there is an answer too', () => {
  const door = new Door()
  expect(door.ask({ op: 'socket' })).toEqual([
    { ev: 'done', id: 1, now_us: 0, unsupported: true, msg: 'socket: init comes first' },
  ])
  for (const line of ['{', '[]', 'null', '7', '{"op":"init"}', '{"id":"x","op":"init"}', '{"id":1}']) {
    const [done, ...more] = door.harness.request(line)
    expect(done).toMatchObject({ ev: 'done', unsupported: true, msg: expect.any(String) })
    expect(more).toEqual([])
  }
})

test('a handle that nobody has is EBADF, and POLLNVAL', () => {
  const door = begun()
  for (const op of ['listen', 'accept', 'close', 'tcp_info', 'shutdown', 'recv']) {
    expect(door.ask({ op, fd: 7, backlog: 1, how: 'SHUT_RD', len: 1 })[0]).toMatchObject({ ret: -1, err: 'EBADF' })
  }
  expect(door.ask({ op: 'poll', fds: [{ fd: 7, events: ['POLLIN'] }], timeout_ms: 0 })[0]).toMatchObject({
    ret: 1,
    revents: [['POLLNVAL']],
  })
})

test('the clock moves only in advance, and poll times out with it', () => {
  const door = begun()
  door.ask({ op: 'socket', nonblock: true })
  expect(door.ask({ op: 'bind', fd: 100, ip: '0.0.0.0', port: 80 })[0]).toMatchObject({ ret: 0 })
  expect(door.ask({ op: 'listen', fd: 100, backlog: 1 })[0]).toMatchObject({ ret: 0 })
  expect(door.ask({ op: 'poll', fds: [{ fd: 100, events: ['POLLIN'] }], timeout_ms: 250 })).toHaveLength(1)
  const poll = door.last
  expect(door.ask({ op: 'advance', us: 100 })).toEqual([{ ev: 'done', id: door.last, now_us: 100 }])
  expect(door.ask({ op: 'advance', us: 1_000_000 })).toEqual([
    { ev: 'return', call: poll, t_us: 250_000, ret: 0, revents: [[]] },
    { ev: 'done', id: door.last, now_us: 250_000 },
  ])
})

test('lines in, lines out, until the input ends; the same bytes each time', async () => {
  const requests = [INIT, { op: 'socket' }, { op: 'connect', fd: 100, ip: '192.0.2.1', port: 80 }]
  const text = `${requests.map((each, i) => JSON.stringify({ id: i + 1, ...each })).join('\n')}\n\nnot json\n`
  const run = async (): Promise<string> => {
    const input = new PassThrough()
    const output = new PassThrough()
    input.end(text)
    expect(await tcpHarness(input, output)).toBe(0)
    output.end()
    return Buffer.concat(await output.toArray()).toString()
  }
  const first = await run()
  expect(
    first
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).ev),
  ).toEqual(['done', 'return', 'done', 'tx', 'done', 'done'])
  expect(await run()).toBe(first)
})

test('any packet may be injected', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const door = begun()
      door.ask({ op: 'socket', nonblock: true })
      door.ask({ op: 'bind', fd: 100, ip: '0.0.0.0', port: 80 })
      door.ask({ op: 'listen', fd: 100, backlog: 1 })
      const answer = door.ask({ op: 'inject', hex: Buffer.from(bytes).toString('hex') })
      expect(answer.at(-1)).toMatchObject({ ev: 'done', now_us: 0 })
    }),
  )
})

/** The answer to a SYN, without options. */
function synAck(syn: string): string {
  const sent = Buffer.from(syn, 'hex')
  const packet = Buffer.alloc(40)
  packet.writeUInt16BE(0x4500, 0)
  packet.writeUInt16BE(40, 2)
  packet.writeUInt16BE(0x4006, 8)
  sent.copy(packet, 12, 16, 20)
  sent.copy(packet, 16, 12, 16)
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10)
  sent.copy(packet, 20, 22, 24)
  sent.copy(packet, 22, 20, 22)
  packet.writeUInt32BE(1000, 24)
  packet.writeUInt32BE((sent.readUInt32BE(24) + 1) >>> 0, 28)
  packet.writeUInt16BE(0x5012, 32)
  packet.writeUInt16BE(65_535, 34)
  const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 6, 0, 20]), packet.subarray(20)])
  packet.writeUInt16BE(checksum(pseudo), 36)
  return packet.toString('hex')
}

function checksum(bytes: Buffer): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

test('a write may be gathered from pieces, and fails as writev() does', () => {
  const door = begun()
  door.ask({ op: 'socket', nonblock: true })
  const call = (fields: object) => door.ask({ op: 'send', fd: 100, flags: [], ...fields })
  const result = (fields: object) => call(fields).find((event) => event.ev === 'return')
  expect(result({ iov: [100, -1] })).toMatchObject({ ret: -1, err: 'EINVAL' })
  expect(result({ iov: new Array(1025).fill(1) })).toMatchObject({ ret: -1, err: 'EMSGSIZE' })
  expect(call({ iov: [100, 'x'] }).at(-1)).toMatchObject({ unsupported: true })
  door.ask({ op: 'connect', fd: 100, ip: '192.0.2.1', port: 8080 })
  const syn = door.ask({ op: 'advance', us: 3_000_000 })[0]
  door.ask({ op: 'inject', hex: synAck(String(syn.hex)) })
  const [sent, returned] = call({ iov: [3, 0, 4], data: '61626364656667' })
  expect(returned).toMatchObject({ ret: 7 })
  expect(String(sent.hex)).toMatch(/61626364656667$/)
  expect(result({ iov: [], flags: [] })).toMatchObject({ ret: 0 })
})

test('a switch may be set to what it is anyway, though nothing reads it', () => {
  const door = begun()
  const set = (name: string, value: string) => door.ask({ op: 'sysctl', name, value }).at(-1)
  expect(set('tcp_fastopen', '1')).not.toHaveProperty('unsupported')
  expect(set('tcp_fastopen', '0')).not.toHaveProperty('unsupported')
  expect(set('tcp_no_metrics_save', '1')).not.toHaveProperty('unsupported')
  expect(set('tcp_fastopen', '3')).toMatchObject({
    unsupported: true,
    msg: 'net.ipv4.tcp_fastopen: TCP Fast Open is not modelled',
  })
})
