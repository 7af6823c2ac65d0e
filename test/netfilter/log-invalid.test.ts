import { beforeEach, describe, expect, it } from 'vitest'
import { KernelLog } from '../../src/link/kernel-log.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { Box } from './box.ts'

const CLIENT = '10.244.1.2:3000'
const SERVER = '10.244.2.2:80'

let box: Box
let said: string[]

beforeEach(() => {
  box = new Box('*filter\n-A FORWARD -m conntrack --ctstate INVALID\nCOMMIT\n')
  box.netfilter.conntrack.settings.set('nf_conntrack_log_invalid', '255')
  const log = new KernelLog(box.world.scheduler)
  said = []
  log.listen(({ level, text }) =>
    said.push(`${level} ${text.replace(/ IN=.* SRC=/, ' … SRC=').replace(/ LEN=.* PROTO/, ' … PROTO')}`),
  )
  box.packetLog = () => log
})

function there(flags: number, seq: number, ack = 0, length = 0): void {
  box.through(box.tcp(CLIENT, SERVER, flags, { seq, ack, length, window: 1000 }))
}
function back(flags: number, seq: number, ack: number): void {
  box.through(box.tcp(SERVER, CLIENT, flags, { seq, ack, window: 64_240 }), box.flannel, box.cni0)
}
const why = () => said.map((line) => /nf_ct_proto_\d+: (.*?) …/.exec(line)?.[1])

// Sentences, level and fields as Linux 6.18 wrote them for such packets.
describe('nf_conntrack_log_invalid', () => {
  it('says why no connection begins', () => {
    box.netfilter.conntrack.settings.set('nf_conntrack_tcp_loose', '0')
    there(tcp.ACK, 1)
    there(tcp.RST, 1)
    there(tcp.SYN | tcp.ACK, 1)
    there(tcp.SYN | tcp.FIN, 1)
    there(0, 1)
    const bad = box.tcp(CLIENT, SERVER, tcp.SYN)
    bad.bytes[bad.transport + tcp.CHECKSUM] ^= 0x55
    box.forward(bad)
    box.world.frames.consume(bad)
    expect(why()).toEqual([
      'invalid new',
      'invalid new',
      'invalid tcp flag combination',
      'invalid tcp flag combination',
      'bad checksum',
    ])
    expect(said[0]).toBe(
      '5 nf_ct_proto_6: invalid new … SRC=10.244.1.2 DST=10.244.2.2 … PROTO=TCP SPT=3000 DPT=80 SEQ=1 ACK=0 WINDOW=1000 RES=0x00 RST URGP=0 ',
    )
    expect(box.netfilter.conntrack.invalid).toBe(6)
  })

  it('says which bound a segment did not keep, and what was let through', () => {
    there(tcp.SYN, 1000)
    there(tcp.ACK, 1001, 5000)
    back(tcp.SYN | tcp.ACK, 9000, 1001)
    there(tcp.ACK, 1001, 9001)
    there(tcp.ACK | tcp.PSH, 5_001_001, 9001, 3)
    there(tcp.ACK, 1001, 109_001)
    there(tcp.ACK, 1001 - 1_000_000, 9001, 3)
    there(tcp.ACK, 1001, 9001 - 1_000_000)
    there(tcp.RST | tcp.ACK, 900, 9001)
    there(tcp.SYN, 5000)
    there(tcp.SYN | tcp.ACK, 5000, 1)
    expect(why()).toEqual([
      'packet (index 3) in dir 0 invalid, state SYN_SENT',
      'SEQ is over upper bound 65242 (over the window of the receiver)',
      'ACK is over upper bound 9002 (ACKed data not seen yet)',
      'SEQ is under lower bound 4294904056 (already ACKed data retransmitted)',
      `ignored ACK under lower bound ${(9001 - 66_000 - 1) >>> 0} (possible overly delayed)`,
      'invalid rst',
      'packet (index 0) in dir 0 ignored, state ESTABLISHED',
      'packet (index 1) in dir 0 invalid, state ESTABLISHED',
    ])
  })

  it('counts ICMP by itself, and asks the protocol', () => {
    const { conntrack } = box.netfilter
    const send = (type: number, spoil = false) => {
      const frame = box.echo('10.244.1.2', '10.244.2.2', 7, type)
      if (spoil) frame.bytes[frame.transport + 9] ^= 1
      box.forward(frame)
      box.world.frames.consume(frame)
    }
    send(0)
    send(99)
    send(8, true)
    expect(why()).toEqual(['invalid icmp type', 'bad hw icmp checksum'])
    expect([conntrack.invalid, conntrack.errors]).toEqual([1, 2])
    conntrack.settings.set('nf_conntrack_log_invalid', '6')
    send(99)
    expect(said.length).toBe(2)
    there(tcp.RST, 1)
    expect(said.length).toBe(3)
    conntrack.settings.set('nf_conntrack_log_invalid', '0')
    there(tcp.RST, 1)
    expect(said.length).toBe(3)
    expect(box.world.frames.inUse).toBe(0)
  })
})
