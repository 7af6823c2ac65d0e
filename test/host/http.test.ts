import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeText, encodeText, formatMessage, HttpReader, header } from '../../src/host/http.ts'
import { parseHttpUrl } from '../../src/host/http-client.ts'

function read(kind: 'request' | 'response', text: string, chunk = 1_000_000) {
  const reader = new HttpReader(kind)
  const bytes = encodeText(text)
  for (let at = 0; at < bytes.length; at += chunk) reader.push(bytes.slice(at, at + chunk))
  return reader
}

describe('HttpReader', () => {
  const messages: [name: string, kind: 'request' | 'response', text: string, start: string, body: string][] = [
    ['a request without a body', 'request', 'GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a?b HTTP/1.1', ''],
    ['a counted body', 'request', 'POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello', 'POST / HTTP/1.1', 'hello'],
    ['bare newlines', 'response', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok', 'HTTP/1.1 200 OK', 'ok'],
    [
      'chunks, with an extension and a trailer',
      'response',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: v\r\n\r\n',
      'HTTP/1.1 200 OK',
      'hello world',
    ],
    ['no content', 'response', 'HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 204 No Content', ''],
    ['a length of zero', 'response', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 OK', ''],
  ]

  it.each(messages)('reads %s, however the bytes arrive', (_, kind, text, start, body) => {
    for (const chunk of [1, 3, 1000]) {
      const message = read(kind, text, chunk).take()
      expect(message?.start).toBe(start)
      expect(decodeText(message?.body ?? new Uint8Array(0))).toBe(body)
    }
  })

  it('reads one message after another', () => {
    const reader = read('request', 'GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n')
    expect([reader.take()?.start, reader.take()?.start, reader.take()]).toEqual([
      'GET /1 HTTP/1.1',
      'GET /2 HTTP/1.1',
      null,
    ])
    expect(reader.idle).toBe(true)
  })

  it('takes a body without a length up to the end of the stream', () => {
    const reader = read('response', 'HTTP/1.0 200 OK\r\n\r\nall of it')
    expect(reader.take()).toBeNull()
    reader.finish()
    expect(decodeText(reader.take()?.body ?? new Uint8Array(0))).toBe('all of it')
  })

  it('knows that the answer to HEAD has no body', () => {
    const reader = new HttpReader('response', true)
    reader.push(encodeText('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n'))
    expect(reader.take()?.body.length).toBe(0)
  })

  it.each([
    ['nonsense', 'hello\r\n\r\n'],
    ['a length that is no number', 'GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n'],
    ['a chunk size that is none', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ])('refuses %s', (_, text) => {
    const reader = read('request', text)
    expect(reader.malformed).toBe(true)
    expect(reader.take()).toBeNull()
  })

  it('refuses a body that ends early', () => {
    const reader = read('response', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    reader.finish()
    expect(reader.malformed).toBe(true)
  })

  it('never throws, whatever arrives', () => {
    const soup = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc
          .constantFrom(
            'HTTP/1.1 200 OK\r\n',
            'GET / HTTP/1.1\r\n',
            '\r\n',
            'Content-Length: 3\r\n',
            'Transfer-Encoding: chunked\r\n',
            'a\r\n',
          )
          .map(encodeText),
      ),
    )
    fc.assert(
      fc.property(fc.constantFrom('request' as const, 'response' as const), soup, (kind, parts) => {
        const reader = new HttpReader(kind)
        for (const part of parts) {
          reader.push(part)
          reader.take()
        }
        reader.finish()
        reader.take()
      }),
    )
  })

  it('reads back what formatMessage writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (body, chunk) => {
        const bytes = formatMessage('HTTP/1.1 200 OK', [['Content-Length', String(body.length)]], body)
        const reader = new HttpReader('response')
        for (let at = 0; at < bytes.length; at += chunk) reader.push(bytes.slice(at, at + chunk))
        expect(reader.take()?.body).toEqual(body)
      }),
    )
  })

  it('finds headers in any case', () => {
    expect(header({ headers: [['HOST', 'x']] }, 'Host')).toBe('x')
    expect(header({ headers: [] }, 'Host')).toBeNull()
  })
})

describe('parseHttpUrl', () => {
  it.each([
    ['http://web/', 'web', 80, '/', 'web'],
    ['web', 'web', 80, '/', 'web'],
    ['web:8080/a/b?c=d#e', 'web', 8080, '/a/b?c=d', 'web:8080'],
    ['http://10.0.0.1:80', '10.0.0.1', 80, '/', '10.0.0.1'],
    ['http://web?x=1', 'web', 80, '/?x=1', 'web'],
  ])('%s', (text, host, port, target, authority) => {
    expect(parseHttpUrl(text)).toEqual({ host, port, target, authority })
  })

  it.each(['', 'http://', 'http://a:99999/', 'http://a b/', 'ftp://x/'])('refuses %s', (text) => {
    expect(parseHttpUrl(text)).toBeNull()
  })
})
