/** Names of images in full, and what podwire makes of them in place of a registry. */

import { sha256Hex } from '../host/sha256.ts'
import { fnv1a } from './controllers/template-hash.ts'

/** `httpd` is docker.io/library/httpd:latest. */
export function fullReference(image: string): string {
  const first = image.split('/')[0]
  const registry = image.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost')
  const path = registry ? image : image.includes('/') ? `docker.io/${image}` : `docker.io/library/${image}`
  return path.includes('@') || /:[^/]*$/.test(path) ? path : `${path}:latest`
}

/** Each image's, which is asked for again and again; there are few. */
const digests = new Map<string, string>()

/** 64 hexadecimal digits that stand for the image's contents. */
export function digestOf(image: string): string {
  const known = digests.get(image)
  if (known !== undefined) return known
  const digest = sha256Hex(`podwire image ${fullReference(image)}`)
  digests.set(image, digest)
  return digest
}

/** How long this node takes to pull it, in nanoseconds: half a second to two. */
export function pullTime(image: string, node: string): number {
  return 500e6 + (fnv1a(`${node} ${fullReference(image)}`) % 1500) * 1e6
}

/** In bytes. */
export function sizeOf(image: string): number {
  return 4_000_000 + (fnv1a(fullReference(image)) % 96_000_000)
}
