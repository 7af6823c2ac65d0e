/** Which interfaces are captured: names with globs; `any` in place of an interface's name stands for all of a machine or pod. */

export const ANY = 'any'

export class InterfaceChoice {
  readonly #own: RegExp[]
  readonly #any: RegExp[]
  readonly #all: boolean

  /** None: all interfaces, each by itself. */
  constructor(globs: readonly string[]) {
    this.#all = globs.length === 0
    const joint = (glob: string) => glob.endsWith(`/${ANY}`)
    this.#own = globs.filter((glob) => !joint(glob)).map(globToRegExp)
    this.#any = globs.filter(joint).map((glob) => globToRegExp(glob.slice(0, -ANY.length - 1)))
  }

  /** Is it captured by itself? */
  has(name: string): boolean {
    return this.#all || this.#own.some((pattern) => pattern.test(name))
  }

  /** Are all interfaces of this machine or pod captured as one? */
  hasAny(place: string): boolean {
    return this.#any.some((pattern) => pattern.test(place))
  }
}

/** `*` stands for anything but a slash, `**` for anything, `?` for one character. */
export function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/\*\*|[*?.+^${}()|[\]\\]/g, (found) => {
    if (found === '**') return '.*'
    if (found === '*') return '[^/]*'
    if (found === '?') return '[^/]'
    return `\\${found}`
  })
  return new RegExp(`^${source}$`)
}
