/** How a terminal stresses parts of a text; without one, nothing is stressed. */
export interface Paint {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const same = (text: string) => text

export const plain: Paint = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same }
