/** Lines of `kubectl describe`: indented by level, cells ended by tabs, laid out at the end. */
import { rfc1123z } from '../duration.ts'
import { isMap, mapAt, textAt } from '../field.ts'
import { LAST_APPLIED } from '../merge.ts'
import { layOut } from '../print/tabwriter.ts'

/** Longer annotations stand on a line of their own. */
const LONGEST_ANNOTATION = 140

export class Description {
  #text = ''

  /** One line, or several with their ends, at a level of indentation; a tab ends a cell. */
  line(level: number, text: string): void {
    this.#text += `${'  '.repeat(level)}${text}\n`
  }

  /** `Labels:  a=1`, one pair a line. */
  labels(title: string, labels: Record<string, string>, level = 0): void {
    const keys = Object.keys(labels).sort()
    if (keys.length === 0) this.line(level, `${title}:\t<none>`)
    keys.forEach((key, index) => {
      const first = index === 0 ? `${'  '.repeat(level)}${title}:` : ''
      this.#text += `${first}\t${key}=${labels[key]}\n`
    })
  }

  annotations(object: unknown, level = 0): void {
    const annotations = mapAt(object, 'metadata.annotations')
    const keys = Object.keys(annotations)
      .filter((key) => key !== LAST_APPLIED)
      .sort()
    if (keys.length === 0) this.line(level, 'Annotations:\t<none>')
    keys.forEach((key, index) => {
      const first = index === 0 ? `${'  '.repeat(level)}Annotations:` : ''
      const value = annotations[key]!.replace(/\n$/, '')
      if (value.length + key.length + 2 <= LONGEST_ANNOTATION && !value.includes('\n')) {
        this.#text += `${first}\t${key}: ${value}\n`
        return
      }
      this.#text += `${first}\t${key}:\n`
      for (const line of value.split('\n')) this.#text += `\t  ${line}\n`
    })
  }

  /** The first lines of every description. */
  head(object: unknown, namespaced = true): void {
    this.line(0, `Name:\t${textAt(object, 'metadata.name')}`)
    if (namespaced) this.line(0, `Namespace:\t${textAt(object, 'metadata.namespace')}`)
  }

  time(level: number, title: string, timestamp: string): void {
    this.line(level, `${title}:\t${rfc1123z(timestamp)}`)
  }

  toString(): string {
    return layOut(this.#text)
  }
}

export function orNone(text: string): string {
  return text === '' ? '<none>' : text
}

/** An owner with controller: true, as `ReplicaSet/web-5d7`. */
export function controllerOf(object: unknown): string {
  const metadata = isMap(object) ? object.metadata : undefined
  const owners = isMap(metadata) && Array.isArray(metadata.ownerReferences) ? metadata.ownerReferences : []
  const owner = owners.find((reference) => isMap(reference) && reference.controller === true)
  return owner === undefined ? '' : `${textAt(owner, 'kind')}/${textAt(owner, 'name')}`
}
