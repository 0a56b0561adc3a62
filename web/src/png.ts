/** The texts in a PNG file. Format: the PNG specification, chunks `tEXt` (Latin-1) and `iTXt` (UTF-8, here not compressed). */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

/** The texts by their keys; nothing for a file that is no PNG or is cut off. */
export function pngTexts(data: ArrayBuffer): Map<string, string> {
  const bytes = new Uint8Array(data)
  const texts = new Map<string, string>()
  if (SIGNATURE.some((byte, at) => bytes[at] !== byte)) return texts
  const view = new DataView(data)
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at)
    const kind = latin1(bytes.subarray(at + 4, at + 8))
    const content = bytes.subarray(at + 8, at + 8 + length)
    if (content.length < length || kind === 'IEND') break
    const end = content.indexOf(0)
    if (end > 0 && kind === 'tEXt') texts.set(latin1(content.subarray(0, end)), latin1(content.subarray(end + 1)))
    else if (end > 0 && kind === 'iTXt' && content[end + 1] === 0) {
      // keyword, compression flag and method, language, translated keyword, text; each name ends in a zero
      const language = content.indexOf(0, end + 3)
      const translated = language < 0 ? -1 : content.indexOf(0, language + 1)
      if (translated > 0) texts.set(latin1(content.subarray(0, end)), new TextDecoder().decode(content.subarray(translated + 1)))
    }
    at += 12 + length
  }
  return texts
}

/** The workflow of an image that SDGen has saved; null for any other file. */
export async function savedWorkflow(file: Blob): Promise<object | null> {
  if (file.type !== 'image/png') return null
  const texts = pngTexts(await file.arrayBuffer())
  const workflow = texts.get('workflow')
  if (workflow === undefined || !texts.has('sdgen')) return null
  try {
    const parsed: unknown = JSON.parse(workflow)
    return typeof parsed === 'object' ? parsed : null
  } catch {
    return null
  }
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return text
}
