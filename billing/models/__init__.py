from billing.models.price import Price as Price
from billing.models.usage import UsageRecord as UsageRecord
