/** Saying what one thinks of sessions: shown at once, and taken back with the same undo as everything else. */

import { useJudging } from '../stores/judging'
import type { SessionCard } from './model'
import { useSessionList } from './store'

type Cards = readonly SessionCard[]

/** A tag as it is kept: no spaces around it, and one between words. */
export function tagName(text: string): string {
  return text.replace(/,/g, ' ').replace(/\s+/g, ' ').trim()
}

export function useSessionJudging() {
  const list = useSessionList()
  const judging = useJudging()

  function say(cards: Cards, field: string, value: string | null, change: (card: SessionCard) => Partial<SessionCard>): Promise<unknown> {
    const slugs = cards.map(({ slug }) => slug)
    return slugs.length ? judging.session(slugs, field, value, list.patch(slugs, change)) : Promise.resolve()
  }

  /** Each of these is taken away again when all the sessions have it already. */
  return {
    favourite(cards: Cards): Promise<unknown> {
      const favourite = !cards.every((card) => card.favourite)
      return say(cards, 'favourite', favourite ? 'yes' : null, () => ({ favourite }))
    },
    test(cards: Cards): Promise<unknown> {
      const test = !cards.every((card) => card.test)
      return say(cards, 'test', test ? 'yes' : null, () => ({ test }))
    },
    rate(cards: Cards, wanted: 'like' | 'dislike'): Promise<unknown> {
      const rating = cards.every((card) => card.rating === wanted) ? null : wanted
      return say(cards, 'rating', rating, () => ({ rating }))
    },
    complete(cards: Cards, wanted: 'yes' | 'no'): Promise<unknown> {
      const complete = cards.every((card) => card.complete === wanted) ? null : wanted
      return say(cards, 'complete', complete, () => ({ complete }))
    },
    tag(cards: Cards, text: string, on: boolean): Promise<unknown> {
      const tag = tagName(text)
      if (!tag) return Promise.resolve()
      const tags = (card: SessionCard): string[] => {
        const others = card.tags.filter((name) => name !== tag)
        return on ? [...others, tag].sort((a, b) => a.localeCompare(b)) : others
      }
      return say(cards, `tag/${tag}`, on ? 'yes' : null, (card) => ({ tags: tags(card) }))
    },
    note(card: SessionCard, text: string): Promise<unknown> {
      const note = text.trim() || null
      return say([card], 'note', note, () => ({ note }))
    },
    rename(card: SessionCard, text: string): Promise<unknown> {
      const title = text.trim() === card.original_name ? null : text.trim() || null
      return say([card], 'name', title, () => ({ name: title ?? card.original_name }))
    }
  }
}
