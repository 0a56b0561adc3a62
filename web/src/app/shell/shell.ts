/** How the parts of the gallery are arranged: by the width that there is, and as the user left them. */

import { inject, type InjectionKey, reactive, watch } from 'vue'

/** From these widths (px) on: side by side what phones have one behind the other; a list beside the images; details beside both. */
const PHONE = 700
const COLUMNS = 900
const WIDE = 1400
const WIDEST = 2200
const STORED = 'sdgen.shell'

export interface Shell {
  width: number
  readonly phone: boolean
  readonly columns: boolean
  readonly wide: boolean
  readonly widest: boolean
  /** Whether the filters stand beside the list of sessions, and the sessions beside the images. */
  filters: boolean
  sessions: boolean
  theme: 'auto' | 'light' | 'dark'
  /** Whether the sheet of all keys is shown. */
  keys: boolean
}

export const SHELL: InjectionKey<Shell> = Symbol('shell')
export const THEMES = ['auto', 'light', 'dark'] as const

/** What the user left, where it is still something that there is. */
function remembered(): Pick<Shell, 'filters' | 'sessions' | 'theme'> {
  let said: Partial<Record<string, unknown>> = {}
  try {
    said = (JSON.parse(localStorage.getItem(STORED) ?? '{}') ?? {}) as typeof said
  } catch {
    // No storage, or what is in it is not ours.
  }
  return { filters: said.filters !== false, sessions: said.sessions !== false, theme: THEMES.find((theme) => theme === said.theme) ?? 'auto' }
}

export function makeShell(width: number): Shell {
  const shell: Shell = reactive({
    ...remembered(),
    width,
    keys: false,
    get phone() {
      return this.width < PHONE
    },
    get columns() {
      return this.width >= COLUMNS
    },
    get wide() {
      return this.width >= WIDE
    },
    get widest() {
      return this.width >= WIDEST
    }
  })
  watch(
    () => ({ filters: shell.filters, sessions: shell.sessions, theme: shell.theme }),
    (left) => {
      try {
        localStorage.setItem(STORED, JSON.stringify(left))
      } catch {
        // It stays as long as the page.
      }
    }
  )
  return shell
}

export function useShell(): Shell {
  const shell = inject(SHELL)
  if (!shell) throw new Error('used outside of the gallery')
  return shell
}
