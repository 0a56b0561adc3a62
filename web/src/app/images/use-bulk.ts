/** What is said about all chosen images at once, or about the one that the keys are at: each a step that can be taken back. */

import { usePlatform, useTexts } from '../provided'
import { type Mark, useJudging, type Verdict } from '../stores/judging'
import { useSelection } from './selection'

/** The most images of a step. */
const MOST = 100_000

export function useBulk() {
  const selection = useSelection()
  const judging = useJudging()
  const platform = usePlatform()
  const texts = useTexts()

  async function each(say: (ids: readonly number[]) => Promise<unknown>): Promise<void> {
    const ids = selection.count ? selection.ids : [selection.focus]
    for (let at = 0; at < ids.length; at += MOST) await say(ids.slice(at, at + MOST))
  }

  return {
    mark: (mark: Mark | null) => each((ids) => judging.mark(ids, mark)),
    rate: (stars: number | null) => each((ids) => judging.rate(ids, stars)),
    fail: (failed: boolean) => each((ids) => judging.fail(ids, failed)),
    tag: (name: string, on: boolean) => each((ids) => judging.tag(ids, name.trim(), on)),
    note: (text: string) => each((ids) => judging.note(ids, text)),
    verdict: (placeholder: string, verdict: Verdict | null) => each((ids) => judging.verdict(ids, placeholder, verdict)),
    async undo(): Promise<void> {
      const label = await judging.undo()
      platform.toast('info', label ? texts.undone(label) : texts.nothingToUndo)
    }
  }
}
