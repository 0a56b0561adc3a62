/** What somebody wants to train: said here by any part, shown by `TrainDialog`, which is loaded then. */

import { shallowReactive } from 'vue'

/** What a LoRA is to learn: a value that fails, what sessions show, or a data set that is there. */
export interface Wanted {
  value?: { placeholder: string; key: string; text: string }
  sessions?: readonly string[]
  /** What these are called. */
  name?: string
  q?: string
  dataset?: string
}

/** What there is to learn of a value, among the images that are looked at. */
export const ofValue = ({ placeholder, key, text }: NonNullable<Wanted['value']>, session: string, q: string): Wanted => ({
  value: { placeholder, key, text },
  ...(session && { sessions: [session] }),
  ...(q && { q })
})

export const training = shallowReactive({
  /** Of what the window for training is open; null: it is not. */
  wanted: null as Wanted | null
})
