/**
 * The hash in names such as `web-7d9c5f8b6`: 32-bit FNV-1a of the template, in decimal, each digit mapped into
 * Kubernetes' alphabet. Kubernetes hashes a Go dump of the template; we hash its canonical JSON, so the look is the
 * same and the value is not.
 */
import { canonical } from '../json.ts'

const LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

const encoder = new TextEncoder()

export function fnv1a(text: string): number {
  const bytes = encoder.encode(text)
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193)
  return hash >>> 0
}

/** rand.SafeEncodeString. */
function safeEncode(text: string): string {
  return Array.from(text, (character) => LETTERS[character.charCodeAt(0) % LETTERS.length]).join('')
}

/** At least eight letters, for names that are told apart at a glance. */
export function templateHash(template: unknown): string {
  const text = canonical(template)
  return safeEncode(String(fnv1a(text)).padStart(8, '7'))
}
