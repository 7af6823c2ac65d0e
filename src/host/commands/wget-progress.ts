/** wget's numbers, and the dots that it draws where no terminal shows a bar: one for a kilobyte, fifty in a row. */

const ROW = 50 * 1024
const UNITS = ['B/s', 'KB/s', 'MB/s', 'GB/s']
const SHORT = [' ', 'K', 'M', 'G']

/** Three digits and the unit's number. */
function scaled(bytes: number, seconds: number): { text: string; unit: number } {
  let value = bytes / seconds
  let unit = 0
  for (; value >= 1024 && unit < 3; unit++) value /= 1024
  const digits = value >= 99.95 || unit === 0 ? 0 : value >= 9.995 ? 1 : 2
  return { text: value.toFixed(digits), unit }
}

/** `843 KB/s` */
export function rate(bytes: number, seconds: number): string {
  const { text, unit } = scaled(bytes, seconds)
  return `${text} ${UNITS[unit]}`
}

/** Seconds as in `=0.04s`: the less there are, the fewer digits. */
export function decimal(number: number): string {
  if (number >= 9.95) return number.toFixed(0)
  if (number >= 0.95) return number.toFixed(1)
  return number < 0.001 ? '0' : String(Number(number.toPrecision(1)))
}

/** `1.5K`; below 1024 the number itself. */
export function humanSize(bytes: number): string {
  if (bytes < 1024) return String(bytes)
  let value = bytes / 1024
  let unit = 1
  for (; value >= 1024 && unit < 3; unit++) value /= 1024
  return `${value.toFixed(value < 10 ? 1 : 0)}${SHORT[unit]}`
}

/** All rows at once; each as if its bytes had come at the whole transfer's rate. */
export function dots(size: number, length: number | null, seconds: number): string {
  const { text, unit } = scaled(size, seconds)
  const speed = ` ${text.padStart(4)}${SHORT[unit]}`
  let rows = ''
  for (let at = 0; ; at += ROW) {
    const end = Math.min(at + ROW, size)
    const last = end === size
    rows += `${at === 0 ? '' : '\n'}${String(at / 1024).padStart(6)}K`
    const count = Math.floor((end - at) / 1024)
    for (let dot = 0; dot < 50; dot++) rows += `${dot % 10 === 0 ? ' ' : ''}${dot < count ? '.' : ' '}`
    if (length !== null) rows += `${String(length === 0 ? 100 : Math.floor((end * 100) / length)).padStart(3)}%`
    if (last) return `${rows}${speed}=${decimal(seconds)}s`
    const left = length === null ? null : Math.round(((length - end) * seconds) / size)
    rows += `${speed}${left === null ? '' : ` ${left}s`}`
  }
}
