/** What the parts about training say. They are loaded late, and their words with them: the page begins without. */

import { useTexts } from '../provided'
import { training as english } from '../texts/en/training'
import { training as french } from '../texts/fr/training'
import './styles'

export const useWords = (): typeof english => (useTexts().language === 'fr' ? french : english)
