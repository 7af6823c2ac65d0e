/** curl 7.88.1, wget 1.21.3, tracepath and arping (iputils 20221126), held line by line to what Debian 12's said on the same topology. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import { dots, humanSize, rate } from '../../../src/host/commands/wget-progress.ts'
import { type HttpResponse, serveHttp } from '../../../src/host/http-server.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { Box } from '../box.ts'

const text = (body: string): HttpResponse => ({ headers: [['Content-Type', 'text/html']], body })

/** 10.0.0.2:80 answers; it hears nothing on port 81, and drops what comes for port 82. */
async function lab() {
  const box = new Box(linuxCommands())
  const [a, b] = box.pair()
  a.place.workdir = '/w'
  b.place.launch(
    async (self) => {
      serveHttp(self, 80, ({ path }) => {
        if (path === '/r') return { status: 302, headers: [['Location', '/']], body: '' }
        return path === '/' ? text('hello\n') : { status: 404, ...text('no such page\n') }
      })
      return self.forever()
    },
    ['web'],
    { out() {}, err() {} },
  )
  await box.say(b.place, 'iptables -A INPUT -p tcp --dport 82 -j DROP')
  const say = (line: string) => box.say(a.place, line)
  const lines = async (line: string) => {
    const { out, err, code } = await say(line)
    const told = err.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'NOW').replace(/\([\d.]+ [KM]?B\/s\)/, '(RATE)')
    return { out, err: told.replace(/(100%).*/, '$1'), code }
  }
  return { box, say, lines }
}

describe('wget', () => {
  it('follows a redirect over the same connection', async () => {
    const { lines, box } = await lab()
    expect(await lines('wget -O- http://10.0.0.2/r')).toEqual({
      code: 0,
      out: 'hello\n',
      err: [
        '--NOW--  http://10.0.0.2/r',
        'Connecting to 10.0.0.2:80... connected.',
        'HTTP request sent, awaiting response... 302 Found',
        'Location: / [following]',
        '--NOW--  http://10.0.0.2/',
        'Reusing existing connection to 10.0.0.2:80.',
        'HTTP request sent, awaiting response... 200 OK',
        'Length: 6 [text/html]',
        'Saving to: ‘STDOUT’',
        '',
        `     0K${' '.repeat(55)}100%`,
        '',
        'NOW (RATE) - written to stdout [6/6]',
        '',
        '',
      ].join('\n'),
    })
    expect((await lines('wget --max-redirect=0 http://10.0.0.2/r')).code).toBe(8)
    await box.rest()
  })

  it('tries again after a pause, and gives up', async () => {
    const { lines, say } = await lab()
    expect(await lines('wget -t 2 -T 1 http://10.0.0.2:82/')).toEqual({
      code: 4,
      out: '',
      err: [
        '--NOW--  http://10.0.0.2:82/',
        'Connecting to 10.0.0.2:82... failed: Connection timed out.',
        'Retrying.',
        '',
        '--NOW--  (try: 2)  http://10.0.0.2:82/',
        'Connecting to 10.0.0.2:82... failed: Connection timed out.',
        'Giving up.',
        '',
        '',
      ].join('\n'),
    })
    expect((await say('wget -q -t 2 -T 1 http://10.0.0.2:82/')).took).toBeGreaterThanOrEqual(3 * SECOND)
    expect((await lines('wget -nv http://10.0.0.2:81/')).err).toBe('failed: Connection refused.\n')
  })

  it('-nv says one line, and no file is overwritten', async () => {
    const { lines, say } = await lab()
    expect((await lines('wget -nv http://10.0.0.2/; wget -nv http://10.0.0.2/')).err).toBe(
      'NOW URL:http://10.0.0.2/ [6/6] -> "index.html" [1]\nNOW URL:http://10.0.0.2/ [6/6] -> "index.html.1" [1]\n',
    )
    expect((await say('ls')).out).toBe('index.html\nindex.html.1\n')
    expect((await lines('wget -nv http://10.0.0.2/no')).err).toBe('http://10.0.0.2/no:\nNOW ERROR 404: Not Found.\n')
    expect((await lines('wget -nv --spider http://10.0.0.2/')).err).toBe('NOW URL: http://10.0.0.2/ 200 OK\n')
    expect(await lines('wget foo://10.0.0.2/')).toMatchObject({
      err: 'foo://10.0.0.2/: Unsupported scheme ‘foo’.\n',
      code: 1,
    })
  })

  it('draws a dot for each kilobyte', () => {
    expect(dots(6, 6, 7e-6)).toBe(`     0K${' '.repeat(55)}100%  837K=0s`)
    const ten = ' ..........'
    expect(dots(61_440, 61_440, 0.06)).toBe(
      `     0K${ten.repeat(5)} 83% 1000K 0s\n    50K${ten}${' '.repeat(44)}100% 1000K=0.06s`,
    )
    expect([humanSize(999), humanSize(1500), humanSize(10_240), rate(6, 0.041)]).toEqual([
      '999',
      '1.5K',
      '10K',
      '146 B/s',
    ])
  })
})

describe('curl', () => {
  it('starts where it is told to', async () => {
    const { lines } = await lab()
    expect((await lines("curl -s --local-port 5000-5010 -w '%{local_port}\\n' http://10.0.0.2/")).out).toBe(
      'hello\n5000\n',
    )
    const bound = await lines('curl -sv --interface 10.0.0.1 http://10.0.0.2/')
    expect(bound.err.split('\n').slice(1, 4)).toEqual([
      "* Name '10.0.0.1' family 2 resolved to '10.0.0.1' family 2",
      '* Local port: 0',
      '* Connected to 10.0.0.2 (10.0.0.2) port 80 (#0)',
    ])
    expect(await lines('curl -v --interface eth9 http://10.0.0.2/')).toEqual({
      code: 45,
      out: '',
      err: [
        '*   Trying 10.0.0.2:80...',
        '* Could not resolve host: eth9',
        "* Couldn't bind to 'eth9'",
        '* Failed to connect to 10.0.0.2 port 80 after 0 ms: Failed binding local connection end',
        '* Closing connection 0',
        "curl: (45) Couldn't bind to 'eth9'",
        '',
      ].join('\n'),
    })
    expect((await lines('curl -sS --interface 10.0.0.9 http://10.0.0.2/')).err).toBe(
      'curl: (45) bind failed with errno 99: Cannot assign requested address\n',
    )
  })

  it('gives an address up after --connect-timeout', async () => {
    const { lines } = await lab()
    expect(await lines('curl -v --connect-timeout 1 http://10.0.0.2:82/')).toEqual({
      code: 28,
      out: '',
      err: [
        '*   Trying 10.0.0.2:82...',
        '* ipv4 connect timeout after 1000ms, move on!',
        '* Failed to connect to 10.0.0.2 port 82 after 1001 ms: Timeout was reached',
        '* Closing connection 0',
        'curl: (28) Failed to connect to 10.0.0.2 port 82 after 1001 ms: Timeout was reached',
        '',
      ].join('\n'),
    })
  })

  it('tries again where it is refused', async () => {
    const { lines } = await lab()
    const failed = "curl: (7) Failed to connect to 10.0.0.2 port 81 after 0 ms: Couldn't connect to server\n"
    expect(await lines('curl --retry 1 --retry-connrefused http://10.0.0.2:81/')).toEqual({
      code: 7,
      out: '',
      err: `${failed}Warning: Problem : connection refused. Will retry in 1 seconds. 1 retries \nWarning: left.\n${failed}`,
    })
  })

  it('-f ends behind the head, --fail-with-body behind the body', async () => {
    const { lines } = await lab()
    const { err, code } = await lines('curl -sv -f http://10.0.0.2/no')
    expect([err.slice(err.indexOf('< Content-Length')), code]).toEqual([
      '< Content-Length: 13\n* The requested URL returned error: 404\n* Closing connection 0\n',
      22,
    ])
    expect(await lines('curl -sS --fail-with-body http://10.0.0.2/no')).toEqual({
      code: 22,
      out: 'no such page\n',
      err: 'curl: (22) The requested URL returned error: 404\n',
    })
  })

  it('-w, -G, -e and -0', async () => {
    const { lines } = await lab()
    const format =
      '%{method} %{scheme} %{http_version} %{exitcode} %{num_redirects} %{redirect_url} %header{content-type}|%{nosuch}\\z\\n'
    expect(await lines(`curl -s -w '${format}' http://10.0.0.2/r`)).toEqual({
      code: 0,
      out: 'GET HTTP 1.1 0 0 http://10.0.0.2/ |\\z\n',
      err: "curl: unknown --write-out variable: 'nosuch'\n",
    })
    const { err } = await lines('curl -svG -0 -e here -d a=b -d c=d http://10.0.0.2/')
    expect(err).toContain(
      '> GET /?a=b&c=d HTTP/1.0\n> Host: 10.0.0.2\n> User-Agent: curl/7.88.1\n> Accept: */*\n> Referer: here\n',
    )
    expect(await lines('curl')).toMatchObject({
      code: 2,
      err: "curl: try 'curl --help' or 'curl --manual' for more information\n",
    })
  })
})

describe('tracepath and arping', () => {
  it('refuse numbers as iputils does', async () => {
    const { lines } = await lab()
    const refused: readonly [string, string][] = [
      ['tracepath -m 999 10.0.0.2', "tracepath: invalid argument: '999': out of range: 0 <= value <= 255\n"],
      ['tracepath -m abc 10.0.0.2', "tracepath: invalid argument: 'abc'\n"],
      ['tracepath -p 70000 10.0.0.2', "tracepath: invalid argument: '70000': out of range: 0 <= value <= 65535\n"],
      ['tracepath -l 28 10.0.0.2', 'tracepath: pktlen must be within: 28 < value <= 2147483647\n'],
      ['arping -c 0 10.0.0.2', "arping: invalid argument: '0': out of range: 1 <= value <= 2147483647\n"],
    ]
    for (const [line, err] of refused) expect(await lines(line)).toEqual({ out: '', err, code: 1 })
    expect(await lines('arping -I lo -c 1 10.0.0.2')).toMatchObject({ out: 'Interface "lo" is not ARPable\n' })
  })

  it('tracepath -nb puts the number first', async () => {
    const { say } = await lab()
    expect((await say('echo 10.0.0.2 web >> /etc/hosts; tracepath -nb web')).out).toMatch(
      /10\.0\.0\.2 \(web\) {20,}\d\.\d{3}ms reached\n/,
    )
  })
})
