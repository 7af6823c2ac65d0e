import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import { Catalogue, commandLine } from '../../../src/host/images/catalogue.ts'
import { parseReference } from '../../../src/host/images/image.ts'
import { Box } from '../box.ts'

const catalogue = new Catalogue()

describe('references', () => {
  it.each([
    ['nginx', 'nginx', 'latest'],
    ['nginx:1.25', 'nginx', '1.25'],
    ['docker.io/library/nginx:1.25', 'nginx', '1.25'],
    ['index.docker.io/library/httpd', 'httpd', 'latest'],
    ['docker.io/kiamol/ch03-sleep', 'kiamol/ch03-sleep', 'latest'],
    ['registry.k8s.io/pause:3.9', 'registry.k8s.io/pause', '3.9'],
    [`nginx:1@sha256:${'0'.repeat(64)}`, 'nginx', '1'],
    ['localhost:5000/mine', 'localhost:5000/mine', 'latest'],
  ])('%s', (reference, name, tag) => {
    expect(parseReference(reference)).toEqual({ name, tag })
  })
})

describe('Catalogue', () => {
  it('has every image of the labs, and each can start', () => {
    for (const name of [
      'httpd:2.4',
      'nginx',
      'alpine',
      'busybox:1.36',
      'curlimages/curl',
      'nicolaka/netshoot',
      'kiamol/ch02-hello-kiamol',
      'kiamol/ch02-whoami',
      'kiamol/ch03-sleep',
      'kiamol/ch03-numbers-api',
      'kiamol/ch03-numbers-web:v2',
      'registry.k8s.io/e2e-test-images/agnhost:2.43',
      'registry.k8s.io/pause:3.9',
    ]) {
      const image = catalogue.find(name)
      const command = image?.entrypoint[0] ?? ''
      expect(image?.programs.has(command.slice(command.lastIndexOf('/') + 1)), name).toBe(true)
    }
    expect(catalogue.find('nosuch')).toBeNull()
  })

  it('tells an image with a tag of its own from the others', () => {
    expect(catalogue.find('kiamol/ch03-numbers-web:v2')).not.toBe(catalogue.find('kiamol/ch03-numbers-web'))
    expect(catalogue.find('kiamol/ch03-numbers-web:v3')).toBe(catalogue.find('kiamol/ch03-numbers-web'))
  })

  it('knows the release of Alpine by the tag', () => {
    const release = (reference: string) => new Catalogue().find(reference)?.files?.['/etc/alpine-release']
    expect(release('alpine:3.17')).toBe('3.17.0\n')
    expect(release('docker.io/library/alpine:3.16.2')).toBe('3.16.2\n')
    expect(release('alpine')).toBe('3.19.1\n')
    expect(release('alpine:edge')).toBe('3.19.1\n')
  })

  it('composes what a container runs as Kubernetes does', () => {
    const agnhost = catalogue.find('registry.k8s.io/e2e-test-images/agnhost')
    const busybox = catalogue.find('busybox')
    if (agnhost === null || busybox === null) throw new Error('missing')
    expect(commandLine(agnhost)).toEqual(['/agnhost', 'pause'])
    expect(commandLine(agnhost, [], ['netexec'])).toEqual(['/agnhost', 'netexec'])
    expect(commandLine(busybox, [], ['sleep', '5'])).toEqual(['sleep', '5'])
    expect(commandLine(busybox, ['sh', '-c'], ['true'])).toEqual(['sh', '-c', 'true'])
  })

  it('refuses a declaration after a model that is not there', () => {
    expect(() => new Catalogue().declare('mine', { like: 'nosuch' })).toThrow('there is no image "nosuch" to be like')
  })
})

describe('a declared image', () => {
  it('serves its pages with their blanks filled in, and echoes', async () => {
    const own = new Catalogue()
    own.declare('mine', {
      http: { 80: { '/': 'I am {{hostname}}, you are {{clientIp}}\n' }, 8080: { '/x': '<p>x</p>' } },
      tcpEcho: 7,
      env: { A: 'b' },
    })
    const image = own.find('mine:v1')
    if (image === null) throw new Error('missing')
    expect(image.env).toEqual({ A: 'b' })
    const box = new Box(linuxCommands())
    const [a, b] = box.pair()
    for (const [name, program] of image.programs) b.place.programs.set(name, program)
    b.place.spawn(image.entrypoint, { out: () => {}, err: () => {} })
    expect((await box.say(a.place, 'curl -s http://10.0.0.2/')).out).toBe('I am b, you are 10.0.0.1\n')
    expect((await box.say(a.place, 'curl -sI http://10.0.0.2:8080/x | grep -i type')).out).toBe(
      'Content-Type: text/html\r\n',
    )
    expect((await box.say(a.place, 'echo back | nc -N 10.0.0.2 7')).out).toBe('back\n')
    await box.rest()
  })

  it('is like another one', () => {
    const own = new Catalogue()
    own.declare('web', { like: 'nginx', env: { X: '1' } })
    expect(own.find('web')?.entrypoint).toEqual(own.find('nginx')?.entrypoint)
    own.declare('tools', { programs: 'linux' })
    expect(own.find('tools')?.programs.has('conntrack')).toBe(true)
  })
})

describe('busybox', () => {
  it('runs its applets by name', async () => {
    const box = new Box(linuxCommands())
    const { place } = box.machine('node1')
    expect(await box.say(place, 'busybox echo hi; busybox nosuch; busybox | head -1')).toMatchObject({
      out: 'hi\nBusyBox v1.36.1 multi-call binary.\n',
      err: 'nosuch: applet not found\n',
    })
  })
})

describe('a machine', () => {
  it('says which tools it does not have', async () => {
    const box = new Box(linuxCommands())
    expect(await box.say(box.machine('node1').place, 'socat -h')).toMatchObject({
      code: 2,
      err: 'podwire: socat is not modelled\n',
    })
  })
})

describe('coreutils', () => {
  it.each([
    ['date -u', 'Thu Jan  1 00:00:00 UTC 2026\n'],
    ['sleep 1.5; date +%F_%T', '2026-01-01_00:00:01\n'],
    ['hostname -s', 'node1\n'],
    ['echo a-b-c | cut -d- -f2,3', 'b-c\n'],
    ["echo hello | sed 's/l*o$/p!/'", 'hep!\n'],
    ["printf 'a\\nb\\nc\\n' | sed -n '2p'", 'b\n'],
    ["printf 'a\\nb\\na\\n' | sort | uniq -c | sort -rn | head -1", '      2 a\n'],
    ['printf "%s=%d\\n" a 1 b 2', 'a=1\nb=2\n'],
    ["echo 'inet 10.0.0.1/24 x' | grep -oE '[0-9.]+/[0-9]+'", '10.0.0.1/24\n'],
    ['seq 3 | xargs -n 2 echo', '1 2\n3\n'],
    ['echo secret | base64; echo c2VjcmV0Cg== | base64 -d', 'c2VjcmV0Cg==\nsecret\n'],
    ['timeout 1 sleep 5; echo $?', '124\n'],
    ['echo x | tee f; wc -c f', 'x\n      2 f\n'],
    ['which ping curl', '/usr/bin/ping\n/usr/bin/curl\n'],
    ['env A=b printenv A', 'b\n'],
  ])('%s', async (line, out) => {
    const box = new Box(linuxCommands())
    expect(await box.say(box.machine('node1').place, line)).toMatchObject({ out, err: '' })
  })
})
