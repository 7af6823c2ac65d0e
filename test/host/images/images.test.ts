import { describe, expect, it } from 'vitest'
import { curl } from '../../../src/host/commands/curl.ts'
import { encodeText, header } from '../../../src/host/http.ts'
import { serveHttp } from '../../../src/host/http-server.ts'
import { agnhost } from '../../../src/host/images/agnhost.ts'
import { helloPage, numbersApi, numbersWeb, whoami } from '../../../src/host/images/kiamol.ts'
import { APACHE_PAGE, httpd, nginx } from '../../../src/host/images/web-servers.ts'
import type { Program } from '../../../src/host/process.ts'
import { shell } from '../../../src/host/shell.ts'
import { Datagrams } from '../../../src/host/streams.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { Box } from '../box.ts'

const quiet = { out: () => {}, err: () => {} }

/** A server on b, and curl on a. */
function serving(program: Program, args: readonly string[] = [], env: Record<string, string> = {}) {
  const box = new Box(new Map(Object.entries({ sh: shell('dash'), curl })))
  const [a, b] = box.pair()
  const server = b.place.launch(program, ['server', ...args], { ...quiet, env })
  const get = (path: string, options = '') => box.say(a.place, `curl -s ${options} 'http://10.0.0.2${path}'`)
  return { box, a, b, server, get }
}

describe('httpd', () => {
  it('works', async () => {
    const { box, get } = serving(httpd)
    expect((await get('/')).out).toBe(APACHE_PAGE)
    expect((await get('/', '-I')).out).toMatch(
      /^HTTP\/1\.1 200 OK\r\nServer: Apache\/.*\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n/,
    )
    expect((await get('/none', '-o /dev/null -w "%{http_code}"')).out).toBe('404')
    await box.rest()
  })

  it('serves what people write', async () => {
    const { b, box, get } = serving(httpd)
    b.place.files.set('/usr/local/apache2/htdocs/index.html', 'web one\n')
    expect((await get('/')).out).toBe('web one\n')
    await box.rest()
  })

  it('cannot have a port that somebody has', async () => {
    const { b, box } = serving(httpd)
    expect(await box.runner.until(b.place.launch(httpd, ['httpd'], quiet).exit)).toBe(1)
  })

  it('frees its port when it dies', async () => {
    const { b, box, server, get } = serving(httpd)
    server.process.kill(15)
    expect(await box.runner.until(server.exit)).toBe(143)
    expect((await get('/')).code).toBe(7)
    b.place.launch(nginx('1.25.3'), ['nginx'], quiet)
    expect((await get('/')).out).toContain('Welcome to nginx!')
    await box.rest()
  })
})

describe('the textbook images', () => {
  it('hello-kiamol shows its page', async () => {
    const { get } = serving(nginx('1.21.6', helloPage))
    expect((await get('/')).out).toContain('Chapter 2')
  })

  it('whoami names its host', async () => {
    const { get } = serving(whoami)
    expect((await get('/')).out).toMatch(/^I'm b running on Linux/)
  })

  it('numbers-api gives random numbers until it fails', async () => {
    const { get } = serving(numbersApi, [], { FailAfterCallCount: '2' })
    expect((await get('/rng')).out).toMatch(/^\d{1,2}$/)
    expect((await get('/sixeyed/kiamol/master/ch03/numbers/rng')).out).toMatch(/^\d{1,2}$/)
    expect((await get('/rng', '-w " %{http_code}"')).out).toBe('{"message":"Unhealthy!"} 500')
    expect((await get('/healthz', '-w " %{http_code}"')).out).toBe('{"message":"Unhealthy!"} 500')
    expect((await get('/reset')).out).toBe('Ok')
    expect((await get('/health')).out).toBe('Ok')
  })

  it('numbers-web asks the API when its button is pressed', async () => {
    const { b, get, box } = serving(numbersWeb(''))
    expect((await get('/')).out).toContain('<form method="post">')
    // No name server, and no such name: as before the Service exists.
    expect((await get('/', '-d ""')).out).toContain('RNG service unavailable!')
    b.place.files.set('/etc/hosts', '10.0.0.1\tnumbers-api\n')
    expect((await get('/', '-d ""')).out).toContain('RNG service unavailable!')
    await box.rest()
  })

  it('numbers-web shows the number, and asks again under another name after 404', async () => {
    const { a, b, get, box } = serving(numbersWeb(''))
    b.place.files.set('/etc/hosts', '10.0.0.1\tnumbers-api\n')
    const api = a.place.launch(numbersApi, ['api'], quiet)
    expect((await get('/', '-d ""')).out).toMatch(/Here it is: \d{1,2}<.*\n.*Using API at: http:\/\/numbers-api\//)
    api.process.kill(9)
    await box.runner.until(api.exit)
    // What an ExternalName leads to answers only to its own name.
    const hosts: (string | null)[] = []
    const outside: Program = (self) => {
      serveHttp(self, 80, (request) => {
        hosts.push(header(request, 'host'))
        return header(request, 'host') === 'raw.githubusercontent.com' ? { body: '42\n' } : { status: 404 }
      })
      return self.forever()
    }
    a.place.launch(outside, ['outside'], quiet)
    expect((await get('/', '-d ""')).out).toContain('Here it is: 42<')
    expect(hosts).toEqual(['numbers-api', 'raw.githubusercontent.com'])
    await box.rest()
  })
})

describe('agnhost', () => {
  const netexec = () => serving(agnhost, ['netexec', '--http-port=80', '--udp-port', '8081'])

  it('answers by HTTP', async () => {
    const { get, box } = netexec()
    expect((await get('/hostname')).out).toBe('b')
    expect((await get('/clientip')).out).toMatch(/^10\.0\.0\.1:\d+$/)
    expect((await get('/echo?msg=hello%20there')).out).toBe('hello there')
    expect((await get('/healthz', '-w "%{http_code}"')).out).toBe('200')
    await box.rest()
  })

  it('dials', async () => {
    const { get, box } = netexec()
    expect((await get('/dial?host=10.0.0.2&port=80&request=hostname&protocol=http&tries=2')).out).toBe(
      '{"responses":["b","b"]}',
    )
    expect((await get('/dial?host=10.0.0.2&port=8081&request=echo%20hi&protocol=udp&tries=1')).out).toBe(
      '{"responses":["hi"]}',
    )
    expect((await get('/dial?host=10.0.0.2&port=81&request=hostname&protocol=http')).out).toBe(
      '{"errors":["Get \\"http://10.0.0.2:81/hostname\\": dial tcp 10.0.0.2:81: connection refused"]}',
    )
    await box.rest()
  })

  it.each([
    ['hostname', 'b'],
    ['echo one two', 'one two'],
    ['nonsense', null],
  ])('answers %s by UDP', async (question, expected) => {
    const { a, box } = netexec()
    let answer: string | null = null
    const { exit } = a.place.launch(
      async (self) => {
        const datagrams = new Datagrams(self, self.udp())
        datagrams.sendTo(encodeText(question), parseIpv4('10.0.0.2'), 8081)
        const reply = await datagrams.receive(SECOND)
        answer = reply === null ? null : new TextDecoder().decode(reply.payload)
        return 0
      },
      ['ask'],
      quiet,
    )
    await box.runner.until(exit)
    expect(answer).toBe(expected)
    await box.rest()
  })

  it('says in a word why somebody cannot be reached', async () => {
    const box = new Box(new Map(Object.entries({ sh: shell('dash'), agnhost })))
    const [a, b] = box.pair()
    b.place.launch(agnhost, ['agnhost', 'netexec', '--http-port=80', '--udp-port=8081'], quiet)
    const connect = async (to: string) => {
      const { code, err } = await box.say(a.place, `agnhost connect --timeout=1s ${to}`)
      return `${code} ${err.trim()}`
    }
    expect(await connect('10.0.0.2:80')).toBe('0 ')
    expect(await connect('10.0.0.2:81')).toBe('1 REFUSED')
    expect(await connect('10.0.0.9:80')).toBe('1 TIMEOUT')
    expect(await connect('--protocol=udp 10.0.0.2:81')).toBe('1 REFUSED')
    // netexec answers the words it knows only.
    expect(await connect('--protocol=udp 10.0.0.2:8081')).toBe('1 TIMEOUT')
    expect(await connect('--protocol=udp --udp-data=hostname 10.0.0.2:8081')).toBe('0 ')
    expect(await connect('--protocol=sctp 10.0.0.2:80')).toMatch(/^2 podwire: .* is not modelled$/)
    await box.rest()
  })

  it('runs a line, and ends when it is told to', async () => {
    const { get, box, server } = serving(agnhost, ['netexec', '--http-port=80'])
    expect((await get('/header?key=User-Agent')).out).toMatch(/^curl\//)
    expect((await get('/redirect?location=/there', '-o /dev/null -w "%{http_code}"')).out).toBe('302')
    expect((await get('/shell?cmd=false')).out).toBe(
      '{"error":"exit status 127","output":"sh: 1: false: not found\\n"}',
    )
    await get('/exit?code=3&wait=1s')
    expect(await box.runner.until(server.exit)).toBe(3)
    await box.rest()
  })

  it('serves its host name', async () => {
    const { get } = serving(agnhost, ['serve-hostname', '--port', '80'])
    expect((await get('/')).out).toBe('b')
  })
})
