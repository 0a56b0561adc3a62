/** A number of bytes as people read it. */
export function bytes(count: number, language: string): string {
  const unit = count < 1e6 ? 'kilobyte' : count < 1e9 ? 'megabyte' : 'gigabyte'
  const by = { kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit]
  return new Intl.NumberFormat(language, { style: 'unit', unit, maximumSignificantDigits: 3 }).format(count / by)
}
