/** Looking for new sessions in the user's folders, when the user asks for it: a command in ComfyUI's menu and palette. */

import { onMessage, post, ServerError, toast } from './host'
import type { Texts } from './texts'

/** An import as the server tells of it: sessions read, of those that had to be, and their images. */
export interface Import {
  running: boolean
  total: number
  sessions: number
  unchanged: number
  images: number
  written: number
  missing: number
  cancelled: boolean
  errors: { message: string; folder: string }[]
}

/** How many errors a message shows, and how often (in ms) a long import says how far it is. */
const SHOWN = 3
const EVERY_MS = 10_000

export class Imports {
  private asked = false
  private said = 0

  constructor(private readonly texts: () => Texts) {}

  /** Begin to listen: what the server does by itself goes on silently. */
  start(): void {
    onMessage('sdgen.import', (detail) => {
      if (this.asked) this.hear(detail as Import)
    })
  }

  /** Have the server look through all folders. */
  async press(): Promise<void> {
    const texts = this.texts()
    this.said = Date.now()
    this.asked = true
    toast('info', texts.importing, '')
    try {
      await post('/sdgen/import', {})
    } catch (error) {
      this.asked = false
      const { message, hint } = error instanceof ServerError ? error : { message: texts.noAnswer, hint: '' }
      toast('error', texts.importing, hint ? `${message}. ${hint}` : message)
    }
  }

  private hear(told: Import): void {
    const texts = this.texts()
    if (told.running) {
      if (Date.now() - this.said < EVERY_MS) return
      this.said = Date.now()
      toast('info', texts.importing, texts.importProgress(told.sessions, told.total, told.images))
      return
    }
    this.asked = false
    toast('success', texts.imported, texts.importDone(told.sessions + told.unchanged, told.written))
    const errors = told.errors.slice(0, SHOWN).map(({ folder, message }) => `${folder}: ${message}`)
    if (told.errors.length > SHOWN) errors.push(texts.problems(told.errors.length))
    if (errors.length) toast('warn', texts.imported, errors.join('\n'))
  }
}
