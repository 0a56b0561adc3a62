/** The keys of the table that judge what is chosen in the grid, or the image that the keys are at. */

import { useKeys } from '../keys'
import type { Mark } from '../stores/judging'
import { useResults } from '../stores/results'
import { useViews } from '../views'
import { useSelection } from './selection'
import { useBulk } from './use-bulk'

export function useImageKeys(): void {
  const views = useViews()
  const results = useResults()
  const selection = useSelection()
  const bulk = useBulk()

  const meant = (): number => (selection.count ? (selection.ids[0] ?? 0) : selection.focus)
  /** A key that says something about images; without any, it is for others. */
  const about = (say: () => unknown) => (): unknown => (meant() ? say() : false)
  const mark = (which: Mark | null) => about(() => bulk.mark(which))
  const rate = (stars: number) => about(() => bulk.rate(stars))

  useKeys(
    {
      favourite: mark('favourite'),
      interesting: mark('interesting'),
      trash: mark('trash'),
      untag: mark(null),
      failed: about(() => bulk.fail(!results.cards.get(meant())?.failed)),
      rate1: rate(1),
      rate2: rate(2),
      rate3: rate(3),
      rate4: rate(4),
      rate5: rate(5),
      back: () => (selection.count ? selection.clear() : false)
    },
    () => !views.now.image && !views.now.review
  )
}
