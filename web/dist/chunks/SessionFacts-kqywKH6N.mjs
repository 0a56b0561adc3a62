import{_ as o}from"./SessionFacts.vue_vue_type_script_setup_true_lang-CyT-wSRc.mjs";import"./style-YrGOiWuF.mjs";import"./preload-helper-D8_b-Rn0.mjs";export{o as default};
