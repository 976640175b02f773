from billing.models.limit import Allowance as Allowance
from billing.models.limit import Limit as Limit
from billing.models.price import Price as Price
from billing.models.usage import UsageRecord as UsageRecord
