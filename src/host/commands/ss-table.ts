/**
 * The columns of ss(8) 6.1 when it does not write to a terminal: each as wide as its widest text, the delimiters
 * fixed. What belongs to the last socket's last column comes too late to widen it: ss measures a field when the
 * next one begins.
 */

interface Column {
  readonly title: string
  readonly delimiter: string
  readonly right: boolean
}

const columns: readonly Column[] = [
  { title: 'Netid', delimiter: '', right: false },
  { title: 'State', delimiter: ' ', right: false },
  { title: 'Recv-Q', delimiter: ' ', right: false },
  { title: 'Send-Q', delimiter: ' ', right: false },
  { title: 'Local Address:', delimiter: ' ', right: true },
  { title: 'Port', delimiter: '', right: false },
  { title: 'Peer Address:', delimiter: ' ', right: true },
  { title: 'Port', delimiter: '', right: false },
  { title: 'Process', delimiter: '', right: false },
]

export const NETID = 0
export const STATE = 1

/** `rows` have one text for each column; `hidden` columns are left out. */
export function socketTable(
  rows: readonly (readonly string[])[],
  hidden: ReadonlySet<number>,
  header: boolean,
): string {
  const shown = columns.map((column, at) => ({ ...column, at })).filter(({ at }) => !hidden.has(at))
  const all = header ? [columns.map(({ title }) => title), ...rows] : rows
  const widths = columns.map((_, at) => {
    let width = 0
    for (const [number, row] of all.entries()) {
      const tooLate = at === columns.length - 1 && number === all.length - 1 && (number > 0 || !header)
      if (!tooLate && row[at].length > width) width = row[at].length
    }
    return width
  })
  let text = ''
  for (const row of all) {
    for (const [place, { at, delimiter, right }] of shown.entries()) {
      const cell = right ? row[at].padStart(widths[at]) : row[at].padEnd(widths[at])
      text += `${place === 0 ? '' : delimiter}${cell}`
    }
    text += '\n'
  }
  return text
}
