/** What the parts about scoring say. They are loaded late, and their words with them: the page begins without. */

import { useTexts } from '../provided'
import { scoring as english } from '../texts/en/scoring'
import { scoring as french } from '../texts/fr/scoring'
import './styles'

export const useWords = (): typeof english => (useTexts().language === 'fr' ? french : english)
