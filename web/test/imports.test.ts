import { beforeEach, expect, it, vi } from 'vitest'

import { type Import, Imports } from '../src/imports'
import { textsIn } from '../src/texts'

const host = vi.hoisted(() => ({ post: vi.fn(), toast: vi.fn(), heard: new Map<string, (detail: unknown) => void>() }))

vi.mock('../src/host', () => ({
  post: host.post,
  toast: host.toast,
  ServerError: class extends Error {
    hint = 'close the other program'
  },
  onMessage: (kind: string, handle: (detail: unknown) => void) => host.heard.set(kind, handle)
}))

const told: Import = {
  running: true,
  total: 40,
  sessions: 12,
  unchanged: 1150,
  images: 900,
  written: 850,
  missing: 0,
  cancelled: false,
  errors: []
}

function tell(more: Partial<Import>): void {
  host.heard.get('sdgen.import')?.({ ...told, ...more })
}

function said(): string[] {
  return host.toast.mock.calls.map((call) => call.join(' | '))
}

function started(): Imports {
  const imports = new Imports(() => textsIn('en'))
  imports.start()
  return imports
}

beforeEach(() => vi.resetAllMocks())

it('says nothing about what the server does by itself', () => {
  started()
  tell({ running: false })
  expect(said()).toEqual([])
})

it('says what was found when the user asked', async () => {
  const imports = started()
  host.post.mockResolvedValue(told)
  await imports.press()
  tell({})
  tell({ running: false, sessions: 40 })
  tell({ running: false })
  expect(host.post).toHaveBeenCalledWith('/sdgen/import', {})
  expect(said()).toEqual([
    'info | Looking for new sessions … | ',
    'success | Sessions imported | 1,190 sessions, 850 new or changed images'
  ])
})

it('says how far a long import is', async () => {
  vi.useFakeTimers()
  const imports = started()
  host.post.mockResolvedValue(told)
  await imports.press()
  vi.advanceTimersByTime(11_000)
  tell({})
  tell({ sessions: 13 })
  expect(said().slice(1)).toEqual(['info | Looking for new sessions … | 12 of 40 sessions, 900 images'])
  vi.useRealTimers()
})

it('names the first errors', async () => {
  const imports = started()
  host.post.mockResolvedValue(told)
  await imports.press()
  tell({ running: false, errors: [1, 2, 3, 4].map((n) => ({ folder: `f${n}`, message: 'cannot be read' })) })
  expect(said().at(-1)).toBe('warn | Sessions imported | f1: cannot be read\nf2: cannot be read\nf3: cannot be read\n4 problems')
})

it('says why nothing was looked for', async () => {
  const imports = started()
  const { ServerError } = await import('../src/host')
  host.post.mockRejectedValue(new ServerError('catalog-locked', 'another program writes', ''))
  await imports.press()
  expect(said().slice(1)).toEqual(['error | Looking for new sessions … | catalog-locked. close the other program'])
  tell({ running: false })
  expect(said()).toHaveLength(2)
})
