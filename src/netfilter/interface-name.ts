/** `-i eth0`, `-o cali+`, `! -o docker0`: a device by name, with a trailing + by the beginning of its name. */
import { NetfilterError } from './error.ts'

export class InterfaceName {
  /** As it was written. */
  text = ''
  not = false
  given = false
  #prefix = false
  #name = ''

  set(text: string, not: boolean): void {
    if (text === '') throw new NetfilterError('Empty interface is likely to be undesired')
    if (text.length > 15) {
      throw new NetfilterError(`interface name \`${text}' must be shorter than IFNAMSIZ (15)`)
    }
    this.text = text
    this.not = not
    this.#prefix = text.endsWith('+')
    this.#name = this.#prefix ? text.slice(0, -1) : text
    // `+` alone is every interface, as if nothing had been asked.
    this.given = text !== '+' || not
  }

  holds(device: { readonly name: string } | null): boolean {
    const name = device === null ? '' : device.name
    return (this.#prefix ? name.startsWith(this.#name) : name === this.#name) !== this.not
  }
}
