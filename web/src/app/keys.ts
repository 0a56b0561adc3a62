/** The keys of the gallery: one table, of which the handler, the sheet of keys and the settings are made. */

import { onScopeDispose, shallowRef } from 'vue'

import type { Texts } from './texts'

interface KeySpec {
  keys: readonly string[]
  group: 'marks' | 'verdicts' | 'moving' | 'looking' | 'other'
  /** Whether holding the key does it again and again. */
  repeats?: true
  /** Whether the key cannot be changed: the way out is always there. */
  fixed?: true
}

/**
 * How keys are written: letters in lower case, digits by their place on the keyboard, other characters as they are typed, and
 * the browser's names of all others; before them `Mod+` (Ctrl, or Command), `Alt+`, `Shift+`.
 */
export const ACTIONS = {
  favourite: { keys: ['f'], group: 'marks' },
  interesting: { keys: ['i'], group: 'marks' },
  trash: { keys: ['t', 'Delete'], group: 'marks' },
  untag: { keys: ['u'], group: 'marks' },
  failed: { keys: ['x'], group: 'marks' },
  rate1: { keys: ['Shift+1'], group: 'marks' },
  rate2: { keys: ['Shift+2'], group: 'marks' },
  rate3: { keys: ['Shift+3'], group: 'marks' },
  rate4: { keys: ['Shift+4'], group: 'marks' },
  rate5: { keys: ['Shift+5'], group: 'marks' },
  ok: { keys: ['o'], group: 'verdicts' },
  partial: { keys: ['p'], group: 'verdicts' },
  ko: { keys: ['k'], group: 'verdicts' },
  noEffect: { keys: ['n'], group: 'verdicts' },
  unintended: { keys: ['m'], group: 'verdicts' },
  placeholder1: { keys: ['1'], group: 'verdicts' },
  placeholder2: { keys: ['2'], group: 'verdicts' },
  placeholder3: { keys: ['3'], group: 'verdicts' },
  placeholder4: { keys: ['4'], group: 'verdicts' },
  placeholder5: { keys: ['5'], group: 'verdicts' },
  placeholder6: { keys: ['6'], group: 'verdicts' },
  placeholder7: { keys: ['7'], group: 'verdicts' },
  placeholder8: { keys: ['8'], group: 'verdicts' },
  placeholder9: { keys: ['9'], group: 'verdicts' },
  next: { keys: ['ArrowRight', 'ArrowDown', 'Space'], group: 'moving', repeats: true },
  previous: { keys: ['ArrowLeft', 'ArrowUp', 'Shift+Space'], group: 'moving', repeats: true },
  first: { keys: ['Home'], group: 'moving' },
  last: { keys: ['End'], group: 'moving' },
  undo: { keys: ['z', 'Mod+z'], group: 'other', repeats: true },
  redo: { keys: ['y', 'Shift+z', 'Mod+y', 'Mod+Shift+z'], group: 'other', repeats: true },
  open: { keys: ['Enter'], group: 'looking' },
  grid: { keys: ['g'], group: 'looking' },
  details: { keys: ['d'], group: 'looking' },
  zoomIn: { keys: ['+', '='], group: 'looking', repeats: true },
  zoomOut: { keys: ['-'], group: 'looking', repeats: true },
  fit: { keys: ['0'], group: 'looking' },
  fullSize: { keys: ['Shift+0'], group: 'looking' },
  panLeft: { keys: ['Shift+ArrowLeft'], group: 'looking', repeats: true },
  panRight: { keys: ['Shift+ArrowRight'], group: 'looking', repeats: true },
  panUp: { keys: ['Shift+ArrowUp'], group: 'looking', repeats: true },
  panDown: { keys: ['Shift+ArrowDown'], group: 'looking', repeats: true },
  review: { keys: ['r'], group: 'other' },
  blind: { keys: ['b'], group: 'other' },
  copyPrompt: { keys: ['c'], group: 'other' },
  sheet: { keys: ['?'], group: 'other' },
  back: { keys: ['Escape'], group: 'other', fixed: true }
} as const satisfies Record<string, KeySpec>

export type Action = keyof typeof ACTIONS

/** What an action is called. */
export const textOf = (action: Action, texts: Texts): string => texts.reviewing[action]

export const NAMES = Object.keys(ACTIONS) as Action[]
export const spec = (action: Action): KeySpec => ACTIONS[action]

// ---- what key it was -------------------------------------------------------------------------------------------------------

const DIGIT = /^(?:Digit|Numpad)(\d)$/
const LETTER = /^Key([A-Z])$/
const LATIN = /^[a-z]$/i

/**
 * The key of an event as the table writes it; empty for what is none: a modifier alone, or what an input method takes.
 *
 * A letter is the one that is printed on the key; where the layout has no Latin letters, the one that an English keyboard has there.
 * Digits go by their place, for French keyboards have them only with Shift.
 */
export function written(event: KeyboardEvent): string {
  const { key, code } = event
  if (event.isComposing || key === 'Process' || key === 'Dead' || key === 'Unidentified') return ''
  if (['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'CapsLock'].includes(key)) return ''
  const typed = event.getModifierState('AltGraph')
  const before = typed ? '' : `${event.ctrlKey || event.metaKey ? 'Mod+' : ''}${event.altKey ? 'Alt+' : ''}`
  const shift = event.shiftKey ? 'Shift+' : ''
  const digit = typed ? undefined : DIGIT.exec(code)?.[1]
  // Numpad keys without Num Lock are arrows.
  if (digit !== undefined && (code.startsWith('Digit') || key.length === 1)) return `${before}${shift}${digit}`
  if (LATIN.test(key)) return `${before}${shift}${key.toLowerCase()}`
  if (key === ' ') return `${before}${shift}Space`
  const letter = LETTER.exec(code)?.[1]
  if (key.length === 1 && letter && /\p{L}/u.test(key)) return `${before}${shift}${letter.toLowerCase()}`
  return key.length === 1 ? before + key : before + shift + key
}

const SHOWN: Record<string, string> = {
  ArrowRight: '→',
  ArrowLeft: '←',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Shift: '⇧',
  Delete: 'Del',
  Escape: 'Esc',
  Space: '␣',
  Enter: '⏎',
  '-': '−'
}

/** A key as people read it. */
export function shown(combo: string): string {
  const apple = /Mac|iPhone|iPad/.test(navigator.userAgent)
  const parts = combo === '+' ? ['+'] : combo.replace(/\+\+$/, '+Plus').split('+')
  return parts.map((part) => (part === 'Mod' ? (apple ? '⌘' : 'Ctrl') : (SHOWN[part] ?? (part === 'Plus' ? '+' : part.length === 1 ? part.toUpperCase() : part)))).join(' ')
}

// ---- what keys do ----------------------------------------------------------------------------------------------------------

const STORED = 'sdgen.keys'
/** Keys that the browser needs, and Escape. */
const RESERVED = new Set(['Tab', 'Shift+Tab', 'Escape', 'F5', 'F11', 'F12', 'Mod+c', 'Mod+v', 'Mod+w', 'Mod+t', 'Mod+r', 'Mod+l'])

type Bindings = Partial<Record<Action, readonly string[]>>

function stored(): Bindings {
  try {
    const said: unknown = JSON.parse(localStorage.getItem(STORED) ?? '{}')
    if (typeof said !== 'object' || said === null) return {}
    const right = ([name, keys]: [string, unknown]): boolean =>
      name in ACTIONS && !spec(name as Action).fixed && Array.isArray(keys) && keys.every((key) => typeof key === 'string')
    return Object.fromEntries(Object.entries(said).filter(right))
  } catch {
    return {} // no storage, or what is in it is not ours
  }
}

const changed = shallowRef<Bindings>(stored())

/** The keys of an action, as the user has them. */
export function keysOf(action: Action): readonly string[] {
  return changed.value[action] ?? ACTIONS[action].keys
}

/** What a key does; null: nothing. */
export function actionOf(combo: string): Action | null {
  return NAMES.find((name) => combo !== '' && keysOf(name).includes(combo)) ?? null
}

/** Whether a key can be given to actions at all. */
export const assignable = (combo: string): boolean => combo !== '' && !RESERVED.has(combo)

/** Give an action these keys; whatever else had one of them loses it. */
export function setKeys(action: Action, keys: readonly string[]): void {
  const now: Bindings = { ...changed.value, [action]: [...new Set(keys)] }
  for (const other of NAMES) {
    const left = keysOf(other).filter((key) => !keys.includes(key))
    if (other !== action && left.length < keysOf(other).length) now[other] = left
  }
  keep(now)
}

/** The keys of the table again. */
export function resetKeys(): void {
  keep({})
}

export const isChanged = (): boolean => Object.keys(changed.value).length > 0

function keep(bindings: Bindings): void {
  changed.value = bindings
  try {
    if (Object.keys(bindings).length) localStorage.setItem(STORED, JSON.stringify(bindings))
    else localStorage.removeItem(STORED)
  } catch {
    // They stay as long as the page.
  }
}

// ---- listening -------------------------------------------------------------------------------------------------------------

/** What an action does here; `false`: it is not for us, ask who is below. */
export type Handlers = Partial<Record<Action, (event: KeyboardEvent) => unknown>>

interface Layer {
  handlers: Handlers
  active: () => boolean
  /** Whether nobody below is asked. */
  alone: boolean
}

const layers: Layer[] = []

/** Whether the user is writing: then keys are letters. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target instanceof HTMLInputElement) return !['button', 'checkbox', 'radio', 'range', 'submit', 'color', 'file'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable
}

/** Whether a key at `target` is meant for the gallery: it has the focus, or nothing has. */
function isOurs(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return true
  return target === document.body || target === document.documentElement || target.closest('.sdgen-app') !== null || target instanceof HTMLCanvasElement
}

function pressed(event: KeyboardEvent): void {
  const target = event.composedPath()[0] ?? null
  if (!layers.some(({ active }) => active()) || !isOurs(target)) return
  const inside = target instanceof Element && target.closest('.sdgen-app') !== null
  // Where nothing has the focus, the canvas behind would remove its nodes.
  if (!inside && (event.key === 'Delete' || event.key === 'Backspace')) event.stopPropagation()
  if (event.defaultPrevented || isTyping(target)) return
  const combo = written(event)
  const action = actionOf(combo)
  if (!action || (event.repeat && !spec(action).repeats)) return
  const pressing = target instanceof Element && target.closest('button, a, summary, [role="button"], input, video') !== null
  if (pressing && /(?:^|\+)(?:Space|Enter)$/.test(combo)) return
  for (const { handlers, active, alone } of [...layers].reverse()) {
    if (!active()) continue
    const handle = handlers[action]
    if (handle && handle(event) !== false) {
      event.preventDefault()
      event.stopPropagation()
      return
    }
    if (alone) return
  }
}

/**
 * Do something at keys while the component is there and `active`. Of several the last one is asked first; `alone`: no other is.
 * Keys never do anything while somebody types into a field.
 */
export function useKeys(handlers: Handlers, active: () => boolean = () => true, alone = false): void {
  const layer = { handlers, active, alone }
  if (!layers.length) window.addEventListener('keydown', pressed, true)
  layers.push(layer)
  onScopeDispose(() => {
    layers.splice(layers.indexOf(layer), 1)
    if (!layers.length) window.removeEventListener('keydown', pressed, true)
  })
}
