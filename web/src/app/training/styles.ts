import { addStyles } from '../styles'
import css from './training.css?inline'

addStyles(css)
