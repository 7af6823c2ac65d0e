/** `python3 -m http.server`, held to what Python 3.11 prints and sends. */
import { expect, test } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { Box } from '../box.ts'

async function served() {
  const box = new Box(linuxCommands())
  const [a, b] = box.pair()
  b.place.workdir = '/srv'
  b.place.files.set('/srv/a.txt', 'hi\n')
  b.place.files.set('/srv/sub/b.html', '<p>b</p>\n')
  let log = ''
  const keep = (text: string) => void (log += text)
  b.place.shell('python3 -m http.server 8077', { out: keep, err: keep })
  await box.runner.runFor(SECOND)
  const curl = async (rest: string) => (await box.say(a.place, `curl -si ${rest}`)).out
  return { box, a, curl, log: () => log }
}

test('a file, its type and its age, and then the connection ends', async () => {
  const { box, curl, log } = await served()
  expect(await curl('http://10.0.0.2:8077/a.txt')).toBe(
    [
      'HTTP/1.0 200 OK',
      'Server: SimpleHTTP/0.6 Python/3.11.2',
      'Date: Thu, 01 Jan 2026 00:00:01 GMT',
      'Content-type: text/plain',
      'Content-Length: 3',
      'Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT',
      '',
      'hi\n',
    ].join('\r\n'),
  )
  expect(log()).toBe(
    'Serving HTTP on 0.0.0.0 port 8077 (http://0.0.0.0:8077/) ...\n' +
      '10.0.0.1 - - [01/Jan/2026 00:00:01] "GET /a.txt HTTP/1.1" 200 -\n',
  )
  await box.runner.runFor(200 * SECOND)
  expect(box.world.frames.inUse).toBe(0)
})

test('a folder is listed, what is not there is said', async () => {
  const { curl, log } = await served()
  expect(await curl('http://10.0.0.2:8077/')).toContain(
    '<li><a href="a.txt">a.txt</a></li>\n<li><a href="sub/">sub/</a></li>\n</ul>',
  )
  const missing = await curl('http://10.0.0.2:8077/nope')
  expect(missing).toContain('HTTP/1.0 404 File not found\r\n')
  expect(missing).toContain('Connection: close\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: 335\r\n')
  expect(log()).toContain('10.0.0.1 - - [01/Jan/2026 00:00:01] code 404, message File not found\n')
})

test('sha256sum of what was fetched is that of the file', async () => {
  const { box, a } = await served()
  const { out } = await box.say(a.place, 'curl -s http://10.0.0.2:8077/a.txt | sha256sum')
  expect(out).toBe('98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4  -\n')
  expect((await box.say(a.place, 'sha256sum nothing')).err).toBe('sha256sum: nothing: No such file or directory\n')
})
