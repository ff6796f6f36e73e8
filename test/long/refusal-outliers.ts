import { policyNames } from '../../src/balancer/selection/policies/index.js'
import { refusalOutlier } from '../scenarios/refusal-outliers.js'

for (const policy of policyNames) refusalOutlier(policy)
