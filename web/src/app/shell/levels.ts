/** What is above what the user looks at. */

import type { View } from '../address'

/** The way one level back: out of the viewer, out of the review, from anything to the list of sessions; null at the top. */
export function above(view: Readonly<View>): Partial<View> | null {
  if (view.image) return { image: 0 }
  if (view.review) return { review: false }
  if (view.screen === 'training' && view.run) return { run: '' }
  return view.screen === 'sessions' ? null : { screen: 'sessions' }
}
