import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist', 'node_modules'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'no-restricted-imports': [
        'error',
        { paths: ['/scripts/app.js', '/scripts/api.js'].map((name) => ({ name, message: 'Only host.ts talks to ComfyUI.' })) }
      ]
    }
  },
  { files: ['src/host.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['*.js', '*.mjs'], ...tseslint.configs.disableTypeChecked }
)
