/** What an Alpine image answers to somebody who wants to install something. */
import { expect, it } from 'vitest'
import { Catalogue } from '../../../src/host/images/catalogue.ts'
import { Box } from '../box.ts'

function alpine() {
  const box = new Box(new Catalogue().find('alpine:3.19')?.programs ?? new Map())
  const { place } = box.machine('a')
  return (line: string) => box.say(place, line)
}

it('has curl already', async () => {
  const type = alpine()
  expect(await type('apk add --no-cache curl')).toMatchObject({ code: 0, out: 'OK: 13 MiB in 24 packages\n' })
  expect((await type('curl --version')).out).toMatch(/^curl 7\./)
})

it('cannot fetch what it does not have', async () => {
  const said = await alpine()('apk update; apk add curl bind-tools')
  expect(said.code).toBe(1)
  expect(said.out).toBe(
    'ERROR: unable to select packages:\n  bind-tools (no such package):\n    required by: world[bind-tools]\n',
  )
  expect(said.err).toBe(
    'podwire: there are no package repositories; an image has what it has\n' +
      'podwire: packages cannot be fetched; "like: debian" and nicolaka/netshoot have more tools\n',
  )
})

it('says what is not modelled', async () => {
  expect(await alpine()('apk del curl')).toMatchObject({ code: 1, err: 'podwire: apk del is not modelled\n' })
})
