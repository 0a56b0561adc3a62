/** Shares, sizes and times as each language writes them. */

/** A share in percent, to the nearest. */
export const percent = (share: number, language: string): string => new Intl.NumberFormat(language, { style: 'percent' }).format(share)

/** A share of what is complete: rounded down, so that only all of it is 100 %. */
export const complete = (share: number, language: string): string => percent(Math.floor(Math.min(1, Math.max(0, share)) * 100 + 1e-9) / 100, language)

const measure = (value: number, unit: string, language: string, more: Intl.NumberFormatOptions = {}): string =>
  new Intl.NumberFormat(language, { style: 'unit', unit, maximumFractionDigits: 0, ...more }).format(value)

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']

/** A number of bytes, such as `12 GB` and `1,5 Go`. */
export function bytes(count: number, language: string): string {
  // From 999.5 on it is written as the next unit's 1.
  const power = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log(Math.max(1, count) / 0.9995) / Math.log(1000))))
  const left = count / 1000 ** power
  const unit = SIZES[power] ?? 'byte'
  return measure(left, unit, language, power ? { maximumFractionDigits: left < 9.95 ? 1 : 0 } : { unitDisplay: 'long' })
}

/** Seconds, such as `24 sec`, `3 min`, `2 hr 10 min`. */
export function duration(seconds: number, language: string): string {
  if (seconds < 90) return measure(seconds, 'second', language)
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return measure(minutes, 'minute', language)
  const hours = Math.floor(minutes / 60)
  if (hours >= 48) return measure(hours / 24, 'day', language)
  return [measure(hours, 'hour', language), minutes % 60 && measure(minutes % 60, 'minute', language)].filter(Boolean).join(' ')
}
