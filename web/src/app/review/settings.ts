/** How somebody reviews, kept in the browser. */

import { reactive, watch } from 'vue'

const STORED = 'sdgen.review'

export interface ReviewSettings {
  /** The next image comes by itself after a verdict or mark. */
  advance: boolean
  /** Every value of an image is asked about before the next one comes. */
  all: boolean
  /** Values, prompts and names are hidden until something was said. */
  blind: boolean
}

const START: ReviewSettings = { advance: true, all: false, blind: false }

function stored(): ReviewSettings {
  try {
    const said = JSON.parse(localStorage.getItem(STORED) ?? '{}') as Record<string, unknown>
    const right = Object.entries(START).map(([name, start]) => [name, typeof said[name] === 'boolean' ? said[name] : start] as const)
    return Object.fromEntries(right) as ReviewSettings
  } catch {
    return { ...START }
  }
}

export const settings = reactive(stored())

watch(settings, (now) => {
  try {
    localStorage.setItem(STORED, JSON.stringify(now))
  } catch {
    // They stay as long as the page.
  }
})
