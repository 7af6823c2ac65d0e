/** One line on standard error that says what is going on, while a person is looking. */

export class Progress {
  readonly #active: boolean

  constructor(wanted: boolean) {
    this.#active = wanted && process.stderr.isTTY === true
  }

  show(text: string): void {
    if (this.#active) process.stderr.write(`\r\x1b[2K${text} …`)
  }

  done(): void {
    if (this.#active) process.stderr.write('\r\x1b[2K')
  }
}
