import { describe, expect, it } from 'vitest'
import { python3 } from '../../../src/host/commands/apps/table.ts'
import { busyboxPing } from '../../../src/host/commands/busybox-ping.ts'
import { curl } from '../../../src/host/commands/curl.ts'
import { nc } from '../../../src/host/commands/nc.ts'
import { ping } from '../../../src/host/commands/ping.ts'
import { busyboxTraceroute, traceroute } from '../../../src/host/commands/traceroute.ts'
import { wget } from '../../../src/host/commands/wget.ts'
import { busyboxWget } from '../../../src/host/commands/wget-busybox.ts'
import { TextPipe } from '../../../src/host/input.ts'
import type { Place } from '../../../src/host/place.ts'
import { shell } from '../../../src/host/shell.ts'
import { MILLISECOND, SECOND } from '../../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { Box, transcript } from '../box.ts'

const programs = new Map(
  Object.entries({
    sh: shell('dash'),
    ping,
    bping: busyboxPing,
    curl,
    nc,
    traceroute,
    btraceroute: busyboxTraceroute,
    wget,
    bwget: busyboxWget,
    python3,
  }),
)

const DELAY = 0.1 * MILLISECOND

function pair() {
  const box = new Box(programs)
  const [a, b] = box.pair(DELAY)
  return { box, a, b }
}

/** Both streams in one, as in a terminal. */
async function typed(box: Box, place: Place, line: string) {
  const { io, text } = transcript()
  const began = box.world.scheduler.now
  const code = await box.runner.until(place.shell(line, io).exit)
  return { code, text: text(), took: box.world.scheduler.now - began }
}

/** Round-trip times differ from run to run of real tools: here they are what they are, the layout is the point. */
const untimed = (text: string) => text.replace(/\d+\.\d{3}/g, 'T').replace(/time \d+ms/, 'time Tms')

describe('ping', () => {
  it('prints what iputils prints', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'ping -c 2 10.0.0.2')
    expect(untimed(text)).toBe(
      'PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n' +
        '64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=T ms\n' +
        '64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=T ms\n' +
        '\n--- 10.0.0.2 ping statistics ---\n' +
        '2 packets transmitted, 2 received, 0% packet loss, time Tms\n' +
        'rtt min/avg/max/mdev = T/T/T/T ms\n',
    )
    expect(text).toContain('icmp_seq=2 ttl=64 time=0.200 ms')
    expect(code).toBe(0)
    await box.rest()
  })

  it('waits for its socket, not for the second: the timer wheel makes it 1.004 s or more', async () => {
    const { box, a } = pair()
    const { text } = await typed(box, a.place, 'ping -c 3 10.0.0.2')
    const time = Number(/time (\d+)ms/.exec(text)?.[1])
    expect(time).toBeGreaterThanOrEqual(2004)
    expect(time).toBeLessThanOrEqual(2100)
  })

  it('tells of a neighbour that does not answer, three at once', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'ping -c 3 10.0.0.99')
    expect(untimed(text)).toBe(
      'PING 10.0.0.99 (10.0.0.99) 56(84) bytes of data.\n' +
        'From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n' +
        'From 10.0.0.1 icmp_seq=2 Destination Host Unreachable\n' +
        'From 10.0.0.1 icmp_seq=3 Destination Host Unreachable\n' +
        '\n--- 10.0.0.99 ping statistics ---\n' +
        '3 packets transmitted, 0 received, +3 errors, 100% packet loss, time Tms\n' +
        'pipe 3\n',
    )
    expect(code).toBe(1)
    await box.rest()
  })

  it('waits ten seconds for a first answer, or as long as -W says', async () => {
    const { box, a, b } = pair()
    b.netns.sysctl.set('net.ipv4.icmp_echo_ignore_all', '1')
    if (b.netns.sysctl.get('net.ipv4.icmp_echo_ignore_all') === '1') {
      expect((await typed(box, a.place, 'ping -c 1 10.0.0.2')).took).toBeCloseTo(10 * SECOND, -6)
    }
    const { code, text, took } = await typed(box, a.place, 'ping -c 1 -W 1 10.0.0.77')
    expect(took).toBeCloseTo(SECOND, -6)
    expect(code).toBe(1)
    expect(text).toContain('1 packets transmitted, 0 received, 100% packet loss, time 0ms\n\n')
    await box.rest()
  })

  it('refuses what is too big when it must not be fragmented', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'ping -c 1 -s 1473 -M do 10.0.0.2')
    expect(text).toBe(
      'PING 10.0.0.2 (10.0.0.2) 1473(1501) bytes of data.\n' +
        'ping: local error: message too long, mtu=1500\n' +
        '\n--- 10.0.0.2 ping statistics ---\n' +
        '1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n\n',
    )
    expect(code).toBe(1)
    expect((await typed(box, a.place, 'ping -c 1 -s 4000 10.0.0.2')).text).toContain(
      '4008 bytes from 10.0.0.2: icmp_seq=1',
    )
    await box.rest()
  })

  it('has no way to go without a route', async () => {
    const { box, a } = pair()
    a.netns.main.remove((route) => route.destination.prefix === 0)
    expect(await typed(box, a.place, 'ping -c 1 8.8.8.8')).toMatchObject({
      code: 2,
      text: 'ping: connect: Network is unreachable\n',
    })
  })

  it('prints its statistics when it is interrupted', async () => {
    const { box, a } = pair()
    const { io, text } = transcript()
    const { process, exit } = a.place.spawn(['ping', '10.0.0.2'], io)
    box.world.scheduler.call(2.5 * SECOND, () => process.kill(2))
    expect(await box.runner.until(exit)).toBe(0)
    expect(text()).toContain('3 packets transmitted, 3 received, 0% packet loss')
    await box.rest()
  })

  it.each([
    ['ping', 1, 'ping: usage error: Destination address required\n'],
    ['ping -c 0 10.0.0.2', 1, "ping: invalid argument: '0': out of range: 1 <= value"],
    ['ping -N name 10.0.0.2', 2, 'podwire: ping -N is not modelled\n'],
    ['ping -I eth9 10.0.0.2', 2, 'ping: SO_BINDTODEVICE eth9: No such device\n'],
  ])('%s', async (line, code, words) => {
    const { box, a } = pair()
    const said = await typed(box, a.place, line)
    expect(said.code).toBe(code)
    expect(said.text).toContain(words)
  })
})

describe('busybox ping', () => {
  it('counts from zero', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'bping -c 2 10.0.0.2')
    expect(untimed(text)).toBe(
      'PING 10.0.0.2 (10.0.0.2): 56 data bytes\n' +
        '64 bytes from 10.0.0.2: seq=0 ttl=64 time=T ms\n' +
        '64 bytes from 10.0.0.2: seq=1 ttl=64 time=T ms\n' +
        '\n--- 10.0.0.2 ping statistics ---\n' +
        '2 packets transmitted, 2 packets received, 0% packet loss\n' +
        'round-trip min/avg/max = T/T/T ms\n',
    )
    expect(code).toBe(0)
    await box.rest()
  })

  it('ends with nothing but loss', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'bping -c 1 10.0.0.99')
    expect(text).toBe(
      'PING 10.0.0.99 (10.0.0.99): 56 data bytes\n' +
        '\n--- 10.0.0.99 ping statistics ---\n1 packets transmitted, 0 packets received, 100% packet loss\n',
    )
    expect(code).toBe(1)
    await box.rest()
  })
})

describe('curl', () => {
  const serve = (place: Place, line = 'python3 apps.py http 80 web') =>
    place.shell(line, { out: () => {}, err: () => {} })

  it('tells -v what the real one tells', async () => {
    const { box, a, b } = pair()
    serve(b.place)
    const { code, text } = await typed(box, a.place, 'curl -sv --max-time 5 http://10.0.0.2/')
    expect(text).toBe(
      '*   Trying 10.0.0.2:80...\n' +
        '* Connected to 10.0.0.2 (10.0.0.2) port 80 (#0)\n' +
        '> GET / HTTP/1.1\n> Host: 10.0.0.2\n> User-Agent: curl/7.88.1\n> Accept: */*\n> \n' +
        '< HTTP/1.1 200 OK\n< Server: podlab\n< Content-Type: text/plain\n< Content-Length: 18\n< \n' +
        '{ [18 bytes data]\n' +
        '* Connection #0 to host 10.0.0.2 left intact\n' +
        'web sees 10.0.0.1\n',
    )
    expect(code).toBe(0)
    await box.rest()
  })

  it('sends 74 bytes to a host of ten characters, and closes first', async () => {
    const { box, a, b } = pair()
    b.netns.addAddress(b.netns.loopback, parseIpv4('10.96.0.80'), 32)
    serve(b.place)
    const sizes: number[] = []
    const eth0 = a.netns.devices.get('eth0')
    if (eth0 === undefined) throw new Error('no eth0')
    eth0.tap = (frame, _device, direction) => {
      if (direction === 'out' && frame.end - frame.start > 66) sizes.push(frame.end - frame.start)
    }
    await typed(box, a.place, 'curl -s http://10.96.0.80/')
    expect(sizes).toEqual([74, 66 + 74])
    await box.rest()
  })

  it.each([
    ['curl -s -o /dev/null -w "%{http_code} %{size_download}\\n" http://10.0.0.2/', 0, '200 18\n'],
    [
      'curl -sI http://10.0.0.2/',
      0,
      'HTTP/1.1 200 OK\r\nServer: podlab\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n',
    ],
    [
      'curl -s -o page http://10.0.0.2/; wget -qO- http://10.0.0.2/; bwget -qO- http://10.0.0.2',
      0,
      'web sees 10.0.0.1\nweb sees 10.0.0.1\n',
    ],
    [
      'curl http://10.0.0.2:81/',
      7,
      "curl: (7) Failed to connect to 10.0.0.2 port 81 after 0 ms: Couldn't connect to server\n",
    ],
    ['curl -s http://10.0.0.2:81/', 7, ''],
    ['curl https://10.0.0.2/', 35, 'podwire: TLS is not modelled: use http://\n'],
    ['curl --frobnicate http://10.0.0.2/', 2, 'podwire: curl --frobnicate is not modelled\n'],
    ['curl -s', 2, 'curl: no URL specified!\n'],
    ['curl ftp://10.0.0.2/', 1, 'curl: (1) Protocol "ftp" not supported or disabled in libcurl\n'],
    ['bwget -O- http://10.0.0.2:81/', 1, "wget: can't connect to remote host (10.0.0.2): Connection refused\n"],
  ])('%s', async (line, code, words) => {
    const { box, a, b } = pair()
    serve(b.place)
    const said = await typed(box, a.place, line)
    expect(said.code).toBe(code)
    if (words === '') expect(said.text).toBe('')
    else expect(said.text).toContain(words)
    await box.rest()
  })

  it('gives up on a neighbour that is not there when the kernel does', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'curl -sv --max-time 8 http://10.0.0.99:80/')
    expect(text.replace(/after \d+ ms/, 'after T ms')).toBe(
      '*   Trying 10.0.0.99:80...\n' +
        '* connect to 10.0.0.99 port 80 failed: No route to host\n' +
        "* Failed to connect to 10.0.0.99 port 80 after T ms: Couldn't connect to server\n" +
        '* Closing connection 0\n',
    )
    expect(code).toBe(7)
    await box.rest()
  })

  it('gives up after --max-time', async () => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, 'curl -sSv --max-time 2 http://10.0.0.99/')
    expect(text).toContain(
      '* Connection timed out after 2001 milliseconds\n* Closing connection 0\ncurl: (28) Connection timed out after 2001 milliseconds\n',
    )
    expect(code).toBe(28)
    await box.rest()
  })

  it('hears nothing from a server that only listens', async () => {
    const { box, a, b } = pair()
    serve(b.place, 'python3 apps.py sinkhold 80')
    const { code, text } = await typed(box, a.place, 'curl -sS -m 1 http://10.0.0.2/')
    expect(text).toBe('curl: (28) Operation timed out after 1001 milliseconds with 0 bytes received\n')
    expect(code).toBe(28)
    await box.rest()
  })
})

describe('nc', () => {
  it('knocks at ports', async () => {
    const { box, a, b } = pair()
    b.place.shell('python3 apps.py http 80 web', { out: () => {}, err: () => {} })
    expect(await typed(box, a.place, 'nc -vz -w 2 10.0.0.2 8080')).toMatchObject({
      code: 1,
      text: 'nc: connect to 10.0.0.2 port 8080 (tcp) failed: Connection refused\n',
    })
    expect(await typed(box, a.place, 'nc -vz -w 2 10.0.0.2 80')).toMatchObject({
      code: 0,
      text: 'Connection to 10.0.0.2 80 port [tcp/http] succeeded!\n',
    })
    await box.rest()
  })

  it('comes from the address and port of -s and -p, and leaves some seconds after its input with -q', async () => {
    const { box, a, b } = pair()
    const heard = transcript()
    b.place.spawn(['nc', '-v', '-l', '10.0.0.2', '9000'], { ...heard.io, stdin: new TextPipe() })
    const said = transcript()
    const client = a.place.spawn(['nc', '-q', '2', '-s', '10.0.0.1', '-p', '5000', '10.0.0.2', '9000'], {
      ...said.io,
      stdin: 'from a\n',
    })
    const began = box.world.scheduler.now
    expect(await box.runner.until(client.exit)).toBe(0)
    expect(heard.text()).toBe('Listening on 10.0.0.2 9000\nConnection received on 10.0.0.1 5000\nfrom a\n')
    expect(Math.floor((box.world.scheduler.now - began) / SECOND)).toBeLessThanOrEqual(2)
    await box.rest()
  })

  it('tries the ports of a range from low to high', async () => {
    const { box, a } = pair()
    const refused = (port: number) => `nc: connect to 10.0.0.2 port ${port} (tcp) failed: Connection refused\n`
    const { text } = await typed(box, a.place, 'nc -z -v 10.0.0.2 90-88')
    expect(text).toBe([88, 89, 90].map(refused).join(''))
    await box.rest()
  })

  it('carries a conversation', async () => {
    const { box, a, b } = pair()
    const heard = transcript()
    const server = b.place.spawn(['nc', '-l', '-p', '9000'], { ...heard.io, stdin: 'from b\n' })
    const said = transcript()
    const stdin = new TextPipe()
    const client = a.place.spawn(['nc', '-N', '10.0.0.2', '9000'], { ...said.io, stdin })
    box.world.scheduler.call(SECOND, () => stdin.write('from a\n'))
    box.world.scheduler.call(2 * SECOND, () => stdin.end())
    expect(await box.runner.until(server.exit)).toBe(0)
    expect(await box.runner.until(client.exit)).toBe(0)
    expect([heard.text(), said.text()]).toEqual(['from a\n', 'from b\n'])
    await box.rest()
  })
})

describe('traceroute', () => {
  it.each(['traceroute', 'traceroute -I', 'btraceroute', 'traceroute -n'])('%s finds the way', async (command) => {
    const { box, a } = pair()
    const { code, text } = await typed(box, a.place, `${command} 10.0.0.2`)
    const busybox = command.startsWith('b')
    const hop = command.endsWith('-n') ? '10.0.0.2' : '10.0.0.2 (10.0.0.2)'
    expect(untimed(text)).toBe(
      `traceroute to 10.0.0.2 (10.0.0.2), 30 hops max, ${busybox ? 46 : 60} byte packets\n 1  ${hop}  T ms  T ms  T ms\n`,
    )
    expect(code).toBe(0)
    await box.rest()
  })
})

describe('the traffic programs', () => {
  async function against(server: string, client: string) {
    const { box, a, b } = pair()
    b.place.shell(`python3 apps.py ${server}`, { out: () => {}, err: () => {} })
    const said = await typed(box, a.place, `python3 apps.py ${client}`)
    await box.rest()
    return said.text
  }

  it.each([
    ['sink 9000', 'send 10.0.0.2 9000 50000', /^got 50000 in 0\.\d{3} s\n$/],
    ['udpecho 7000', 'udpsend 10.0.0.2 7000 4000 2', /^1: 4000 bytes back\n2: 4000 bytes back\n$/],
    [
      'sink 9000',
      'udpsend 10.0.0.2 5353 32 1',
      /^1: ConnectionRefusedError: \[Errno 111\] Connection refused after 0\.\d{3} s\n$/,
    ],
    ['http 8080 web', 'probe 10.0.0.2 8080 2 1', /^1: HTTP\/1.1 200 OK\n2: HTTP\/1.1 200 OK\n$/],
    ['http 8080 web', 'probe 10.0.0.99 8080 1 1 1', /^1: TimeoutError: timed out after 1\.00\d s\n$/],
    ['slowecho 7 0.1', 'chat 10.0.0.2 7 2 0.5', /^1: 8 bytes after 0\.10\d s\n2: 8 bytes after 0\.10\d s\n$/],
    ['sinkhold 7', 'lines 10.0.0.2 7 2 0.5', /^ {2}0\.00\d sent\n {2}0\.50\d sent\n$/],
    ['slowecho 7 1', 'hold 10.0.0.2 7 3', /^ {2}1\.00\d b'hi\\n'\n {2}3\.00\d TimeoutError: timed out\n$/],
    ['nosuch 7', 'nosuch 7', /^podwire: apps.py nosuch is not modelled\n$/],
  ])('%s / %s', async (server, client, expected) => {
    expect(await against(server, client)).toMatch(expected)
  })

  it('proxies both ways and passes half-closes on', async () => {
    const { box, a, b } = pair()
    const quiet = { out: () => {}, err: () => {} }
    b.place.shell('python3 apps.py sink 9000', quiet)
    b.place.shell('python3 apps.py proxy 8080 127.0.0.1 9000', quiet)
    const { text } = await typed(box, a.place, 'python3 apps.py send 10.0.0.2 8080 20000')
    expect(text).toMatch(/^got 20000 in/)
    await box.rest()
  })
})
