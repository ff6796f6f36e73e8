import { filePath } from '../setting-types.js'
import { group, setting } from './setting.js'

export const configFile = group('File', {
  configFile: setting({
    type: filePath,
    default: '',
    meaning:
      'The [file of the gateway](reference/config-file.md), in YAML or JSON: listeners, several pools, and routes. The settings of a pool in the environment are then the defaults of each pool in the file. Empty for one pool from the environment alone',
  }),
})
