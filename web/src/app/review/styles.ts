import { addStyles } from '../styles'
import css from './review.css?inline'

addStyles(css)
