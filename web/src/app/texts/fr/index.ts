import type { Texts } from '..'
import { compare } from './compare'
import { images } from './images'
import { review } from './review'
import { sessions } from './sessions'
import { shell } from './shell'
import { statistics } from './statistics'
import { viewer } from './viewer'

const { favourite, interesting, trash } = review

export const texts: Texts = {
  ...shell,
  ...images,
  // The names of the marks, which every part says.
  favourite,
  interesting,
  trash,
  list: sessions,
  viewing: viewer,
  reviewing: review,
  comparing: compare,
  stats: statistics
}
