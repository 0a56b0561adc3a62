/** A review as it goes: which image is next, what was said, and how long it took. */

import { computed, ref, shallowReactive, shallowRef } from 'vue'

export interface Entry {
  image: number
  /** Milliseconds that it was looked at. */
  time: number
  keys: number
  /** Steps of judging that were about it. */
  steps: Said[]
}

/** One thing that was said; of a mark, `placeholder` is empty and `value` what kind it is. */
export interface Said {
  placeholder: string
  value: string
  verdict: string | null
}

export class Run {
  /** The images in their order; those that were looked at stay, so that one can go back. */
  readonly queue = shallowRef<readonly number[]>([])
  readonly at = ref(0)
  readonly entries = shallowReactive(new Map<number, Entry>())
  private since: number
  private readonly steps: { image: number; said: Said }[] = []

  readonly current = computed(() => this.queue.value[this.at.value] ?? 0)
  readonly judged = computed(() => [...this.entries.values()].filter(({ steps }) => steps.length).length)
  readonly verdicts = computed(() => this.all().filter(({ placeholder, verdict }) => placeholder && verdict).length)
  readonly time = computed(() => [...this.entries.values()].reduce((sum, { time }) => sum + time, 0))
  /** How many steps were made here that are not taken back. */
  readonly made = computed(() => [...this.entries.values()].reduce((sum, { steps }) => sum + steps.length, 0))
  readonly left = computed(() => Math.max(0, this.queue.value.length - this.at.value))

  constructor(private readonly clock: () => number = () => performance.now()) {
    this.since = clock()
  }

  /** Put images behind those that are waiting; each comes once. */
  add(images: readonly number[]): void {
    const known = new Set(this.queue.value)
    this.queue.value = [...this.queue.value, ...images.filter((id) => !known.has(id))]
  }

  /** Put other images behind what was looked at already. */
  replace(images: readonly number[]): void {
    const now = this.current.value
    const looked = this.queue.value.slice(0, this.at.value + 1).filter((id) => id === now || this.entries.get(id)?.steps.length)
    this.queue.value = looked
    this.at.value = now ? looked.indexOf(now) : looked.length
    this.add(images)
  }

  next(): boolean {
    if (this.at.value >= this.queue.value.length) return false
    this.tick()
    this.at.value++
    return this.at.value < this.queue.value.length
  }

  back(): boolean {
    if (this.at.value === 0) return false
    this.tick()
    this.at.value--
    return true
  }

  /** Look at an image again, wherever it is in the order. */
  show(image: number): void {
    if (image === this.current.value) return
    this.tick()
    const place = this.queue.value.indexOf(image)
    if (place >= 0) this.at.value = place
    else {
      const queue = [...this.queue.value]
      queue.splice(this.at.value, 0, image)
      this.queue.value = queue
    }
  }

  /** A key was pressed, or a button. */
  pressed(): void {
    if (this.current.value) this.change(this.current.value, ({ keys }) => ({ keys: keys + 1 }))
  }

  said(said: Said): void {
    const image = this.current.value
    this.steps.push({ image, said })
    this.change(image, ({ steps }) => ({ steps: [...steps, said] }))
  }

  /** The last step is taken back; gives it, for doing it again. */
  unsaid(): { image: number; said: Said } | undefined {
    const step = this.steps.pop()
    if (step) this.change(step.image, ({ steps }) => ({ steps: steps.filter((one) => one !== step.said) }))
    return step
  }

  resaid(step: { image: number; said: Said }): void {
    this.steps.push(step)
    this.change(step.image, ({ steps }) => ({ steps: [...steps, step.said] }))
  }

  /** Count the time until now to the image that is looked at; `away`: nobody looked. */
  tick(away = false): void {
    const now = this.clock()
    const time = now - this.since
    this.since = now
    if (!away && this.current.value) this.change(this.current.value, (entry) => ({ time: entry.time + time }))
  }

  /** Everything that was said and stands, what was said last about the same thing. */
  all(): Said[] {
    return [...this.entries.values()].flatMap(({ steps }) => [...new Map(steps.map((said) => [said.placeholder || `/${said.value}`, said])).values()])
  }

  private change(image: number, make: (entry: Entry) => Partial<Entry>): void {
    const entry = this.entries.get(image) ?? { image, time: 0, keys: 0, steps: [] }
    this.entries.set(image, { ...entry, ...make(entry) })
  }
}

export interface ValueSummary {
  placeholder: string
  value: string
  counts: Record<string, number>
  /** Of ok, partial and ko, what they are worth; null where none of them was said. */
  rate: number | null
}

/** What was said of each value, those with the lowest rate first. */
export function summed(all: readonly Said[]): ValueSummary[] {
  const out = new Map<string, ValueSummary>()
  for (const { placeholder, value, verdict } of all) {
    if (!placeholder || !verdict) continue
    const key = JSON.stringify([placeholder, value])
    const one = out.get(key) ?? { placeholder, value, counts: {}, rate: null }
    one.counts[verdict] = (one.counts[verdict] ?? 0) + 1
    out.set(key, one)
  }
  for (const one of out.values()) {
    const { ok = 0, partial = 0, ko = 0 } = one.counts
    one.rate = ok + partial + ko ? (ok + partial / 2) / (ok + partial + ko) : null
  }
  return [...out.values()].sort((one, other) => (one.rate ?? 2) - (other.rate ?? 2) || one.placeholder.localeCompare(other.placeholder) || one.value.localeCompare(other.value))
}

/** The middle one of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other)
  const half = sorted.length >> 1
  return sorted.length % 2 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}

/** Milliseconds as `2:05`. */
export function minutes(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
