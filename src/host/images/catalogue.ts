/** The images that containers can be made of: built in, declared by a topology file, or added from TypeScript. */
import { apk } from '../commands/apk.ts'
import { curl } from '../commands/curl.ts'
import { busyboxCommands, linuxCommands } from '../commands/table.ts'
import type { Program } from '../process.ts'
import { shell } from '../shell.ts'
import { agnhost } from './agnhost.ts'
import { declaredImage, type ImageDeclaration } from './declared.ts'
import { type Image, parseReference, withPrograms } from './image.ts'
import { helloPage, numbersApi, numbersWeb, whoami } from './kiamol.ts'
import { httpd, nginx } from './web-servers.ts'

export type { Image } from './image.ts'
export { commandLine } from './image.ts'

/** musl instead of glibc: programs resolve names in another way (see resolver.ts). */
const ALPINE = { '/etc/alpine-release': '3.19.1\n' }

const pause: Program = (self) => self.forever()

/** curlimages/curl: runs its arguments when they name a command, else curl with them. */
const curlEntrypoint: Program = (self) => {
  const args = self.args.slice(1)
  const [first = ''] = args
  return self.run(first.startsWith('-') || self.place.find(first) === null ? ['curl', ...args] : args)
}

function builtIn(): Image[] {
  const small = busyboxCommands()
  const linux = linuxCommands()
  // Every lab begins with `apk add curl`: it is there already.
  const alpine = { programs: withPrograms(small, { curl, apk }), entrypoint: ['sh'], fixed: 0, files: ALPINE }
  const nginxStart = { entrypoint: ['nginx', '-g', 'daemon off;'], fixed: 0 }
  const web = (program: Program) => ({
    programs: withPrograms(small, { web: program }),
    entrypoint: ['web'],
    fixed: 0,
    files: ALPINE,
    workdir: '/app',
  })
  const e2e = {
    programs: withPrograms(small, {
      agnhost,
      curl,
      ...pick(linux, ['dig', 'getent', 'host', 'nslookup', 'nc', 'conntrack', 'ip']),
    }),
    entrypoint: ['/agnhost', 'pause'],
    fixed: 1,
    files: ALPINE,
  }
  const bash = { bash: shell('bash') }
  return [
    { name: 'alpine', ...alpine },
    { name: 'busybox', programs: small, entrypoint: ['sh'], fixed: 0 },
    { name: 'debian', programs: linux, entrypoint: ['bash'], fixed: 0 },
    { name: 'ubuntu', programs: linux, entrypoint: ['bash'], fixed: 0 },
    {
      name: 'httpd',
      programs: withPrograms(small, { ...bash, 'httpd-foreground': httpd }),
      entrypoint: ['httpd-foreground'],
      fixed: 0,
      workdir: '/usr/local/apache2',
    },
    { name: 'nginx', programs: withPrograms(small, { ...bash, curl, nginx: nginx('1.25.3') }), ...nginxStart },
    {
      name: 'curlimages/curl',
      programs: withPrograms(small, { curl, 'entrypoint.sh': curlEntrypoint }),
      entrypoint: ['/entrypoint.sh', 'curl'],
      fixed: 1,
      files: ALPINE,
    },
    {
      name: 'nicolaka/netshoot',
      programs: withPrograms(linux, { zsh: shell('bash') }),
      entrypoint: ['zsh'],
      fixed: 0,
      files: ALPINE,
      workdir: '/root',
    },
    {
      name: 'kiamol/ch02-hello-kiamol',
      programs: withPrograms(small, { nginx: nginx('1.21.6', helloPage) }),
      ...nginxStart,
      files: ALPINE,
    },
    { name: 'kiamol/ch02-whoami', ...web(whoami) },
    {
      name: 'kiamol/ch03-sleep',
      programs: withPrograms(small, { curl }),
      entrypoint: ['sh', '-c', 'while true; do sleep 1000; done'],
      fixed: 0,
      files: ALPINE,
    },
    { name: 'kiamol/ch03-numbers-api', ...web(numbersApi) },
    { name: 'kiamol/ch03-numbers-web', ...web(numbersWeb('background: white;')) },
    { name: 'kiamol/ch03-numbers-web:v2', ...web(numbersWeb('background: lightblue;')) },
    { name: 'registry.k8s.io/e2e-test-images/agnhost', ...e2e },
    { name: 'registry.k8s.io/e2e-test-images/jessie-dnsutils', programs: linux, entrypoint: ['bash'], fixed: 0 },
    { name: 'registry.k8s.io/pause', programs: new Map([['pause', pause]]), entrypoint: ['/pause'] },
  ]
}

function pick(from: ReadonlyMap<string, Program>, names: readonly string[]): Record<string, Program> {
  return Object.fromEntries([...from].filter(([name]) => names.includes(name)))
}

export class Catalogue {
  readonly #images = new Map<string, Image>()

  constructor() {
    for (const image of builtIn()) this.add(image)
  }

  /** Any registry prefix that means Docker Hub; an image added without a tag serves all tags. Null: ImagePullBackOff. */
  find(reference: string): Image | null {
    const { name, tag } = parseReference(reference)
    const found = this.#images.get(`${name}:${tag}`) ?? this.#images.get(name) ?? null
    const release = name === 'alpine' ? /^3\.\d+(\.\d+)?$/.exec(tag) : null
    if (found === null || release === null) return found
    // The C library is the release's.
    const text = release[1] === undefined ? `${tag}.0\n` : `${tag}\n`
    return { ...found, files: { ...found.files, '/etc/alpine-release': text } }
  }

  /** `image.name` with a tag is for that tag only. Replaces an image of the same name. */
  add(image: Image): void {
    const { name, tag } = parseReference(image.name)
    const tagged = /:[^/]*$/.test(image.name.split('@')[0])
    this.#images.set(tagged ? `${name}:${tag}` : name, image)
  }

  /** An image from a topology file. @throws RangeError when what it is like does not exist. */
  declare(name: string, declaration: ImageDeclaration): void {
    const { like } = declaration
    const model = like === undefined ? null : this.find(like)
    if (like !== undefined && model === null)
      throw new RangeError(`image ${name}: there is no image ${JSON.stringify(like)} to be like`)
    this.add(declaredImage(name, declaration, model))
  }

  names(): string[] {
    return [...this.#images.keys()].sort()
  }
}
