/** Elastic tab stops: Go's text/tabwriter, which lays out everything that kubectl describes. */

/**
 * Cells are ended by tabs. A column is a run of adjacent lines that have a cell there; its width is the widest
 * cell plus padding. What follows the last tab of a line belongs to no column.
 */
export function layOut(text: string, padding = 2, minimum = 0): string {
  const lines = text.split('\n').map((line) => line.split('\t'))
  const widths: number[] = []
  const output: string[] = []

  const write = (from: number, to: number): void => {
    for (let index = from; index < to; index++) {
      const cells = lines[index]!
      let line = ''
      for (let column = 0; column < cells.length; column++) {
        const cell = cells[column]!
        line += column < widths.length && column < cells.length - 1 ? cell.padEnd(widths[column]!) : cell
      }
      output.push(line)
    }
  }

  const format = (from: number, to: number): void => {
    const column = widths.length
    let written = from
    for (let index = from; index < to; index++) {
      if (column >= lines[index]!.length - 1) continue
      write(written, index)
      written = index
      let width = minimum
      for (; index < to; index++) {
        const cells = lines[index]!
        if (column >= cells.length - 1) break
        width = Math.max(width, cells[column]!.length + padding)
      }
      widths.push(width)
      format(written, index)
      widths.pop()
      written = index
      index--
    }
    write(written, to)
  }

  format(0, lines.length)
  return output.join('\n')
}
