/** Where one was in the answer to each of the last questions: who comes back is there again. */

export interface Place {
  /** The first image in view, its place, and which share of its row is above the view. */
  id: number
  at: number
  share: number
  aspect: number
}

const KEPT = 50
const places = new Map<string, Place>()

export function remember(question: string, place: Place): void {
  places.delete(question)
  places.set(question, place)
  const oldest = places.keys().next().value
  if (places.size > KEPT && oldest !== undefined) places.delete(oldest)
}

export const placeOf = (question: string): Place | undefined => places.get(question)
