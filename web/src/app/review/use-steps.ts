/** What is said in a review: to the server, into its log, and back again. */

import { ref } from 'vue'

import { usePlatform, useTexts } from '../provided'
import { useJudging } from '../stores/judging'
import type { Run, Said } from './run'

export function useSteps(run: Run) {
  const judging = useJudging()
  const platform = usePlatform()
  const words = useTexts()
  const again: { image: number; said: Said }[] = []
  const last = ref<Said | null>(null)
  /** Steps that are still to be taken back. */
  const undoing = ref(0)
  const undone = ref(false)

  /** Something was said about the image that is looked at. */
  function said(what: Said): void {
    again.length = 0
    undone.value = false
    run.said(what)
    last.value = what
  }

  /** Take the last step back; its image comes back into view at once. */
  async function undo(quietly = false): Promise<boolean> {
    const step = run.unsaid()
    last.value = null
    if (step) {
      again.push(step)
      if (!quietly) run.show(step.image)
    }
    const label = await judging.undo()
    if (label === null) {
      if (step) run.resaid(step)
      again.pop()
      if (!step) platform.toast('info', words.nothingToUndo)
      return false
    }
    if (!quietly) platform.toast('info', words.undone(label))
    const image = judging.turned[0]
    if (!step && !quietly && image) run.show(image)
    return true
  }

  async function redo(): Promise<void> {
    const step = again.pop()
    if (step) {
      run.resaid(step)
      run.show(step.image)
    }
    const label = await judging.redo()
    if (label !== null) platform.toast('info', words.redone(label))
    else if (step) run.unsaid()
    const image = judging.turned[0]
    if (label !== null && !step && image) run.show(image)
  }

  /** Take everything back that was said here. */
  async function undoAll(): Promise<void> {
    for (undoing.value = run.made.value; undoing.value > 0; undoing.value--) if (!(await undo(true))) break
    undone.value = undoing.value === 0
    undoing.value = 0
  }

  return { last, undoing, undone, said, undo, redo, undoAll }
}
